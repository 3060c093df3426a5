// Writes what Apache Flink gives for the queries of an .slt file: reads the file, runs each record
// on an embedded Flink, and writes the file with the rows that Flink gave.
//
//   java -cp "$FLINK_HOME/lib/*" Golden.java FILE.slt NEW_FILE.slt
//
// Tables of the connector 'script' become files of JSON (Debezium's, when rows are retracted) that
// Flink reads in order, in one subtask and with a watermark behind each row. A record that Flink
// refuses, or does not refuse though it should, is told on standard error.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.*;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;

public class Golden {
  static class Feed {
    String table;
    boolean retraction;
    String values;
  }

  static class Rec {
    List<String> head = new ArrayList<>(); // lines up to `----`, as they stand
    String kind;
    String sql = "";
    List<Feed> feeds = new ArrayList<>();
    List<String> expected = new ArrayList<>();
  }

  final TableEnvironment env;
  final Path folder;
  final Map<String, String> ddl = new LinkedHashMap<>(); // tables of the connector 'script'
  int files = 0;
  int failures = 0;

  Golden() throws IOException {
    Configuration config = new Configuration();
    config.setString("parallelism.default", "1");
    config.setString("pipeline.auto-watermark-interval", "0 ms");
    config.setString("table.local-time-zone", "UTC");
    config.setString("table.display.max-column-width", "10000");
    config.setString("rest.bind-port", "0");
    env = TableEnvironment.create(
        EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(config).build());
    folder = Files.createTempDirectory("golden");
  }

  static List<Rec> parse(List<String> lines) {
    List<Rec> records = new ArrayList<>();
    Rec record = null;
    boolean rows = false;
    for (String line : lines) {
      if (record == null && (line.isEmpty() || line.startsWith("#"))) {
        Rec text = new Rec();
        text.kind = "text";
        text.head.add(line);
        records.add(text);
        continue;
      }
      if (line.isEmpty()) {
        record = null;
        Rec text = new Rec();
        text.kind = "text";
        text.head.add("");
        records.add(text);
        continue;
      }
      if (record == null) {
        record = new Rec();
        record.kind = line;
        record.head.add(line);
        records.add(record);
        rows = false;
        continue;
      }
      if (rows) {
        record.expected.add(line);
        continue;
      }
      if (line.equals("----")) {
        rows = true;
        continue;
      }
      record.head.add(line);
      if (line.startsWith("feed ") || line.startsWith("retract ")) {
        String[] parts = line.trim().split(" {2,}|(?<=^(feed|retract) \\w{1,20}) ");
        String table = parts[0].split(" ")[1];
        for (int i = 1; i < parts.length; ++i) {
          Feed feed = new Feed();
          feed.table = table;
          feed.retraction = line.startsWith("retract");
          feed.values = parts[i];
          record.feeds.add(feed);
        }
        continue;
      }
      record.sql += line + "\n";
    }
    return records;
  }

  static List<String> splitValues(String text) {
    List<String> values = new ArrayList<>();
    StringBuilder value = new StringBuilder();
    boolean quoted = false;
    for (char c : text.toCharArray()) {
      if (c == '\'') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        values.add(value.toString());
        value.setLength(0);
      } else {
        value.append(c);
      }
    }
    values.add(value.toString());
    return values;
  }

  static String quoted(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }

  static String object(String values, List<Column> columns) {
    List<String> cells = splitValues(values);
    StringBuilder out = new StringBuilder("{");
    for (int i = 0; i < columns.size(); ++i) {
      String cell = cells.get(i);
      String type = columns.get(i).getDataType().getLogicalType().asSummaryString();
      if (type.startsWith("TIMESTAMP") && cell.matches("\\d\\d:.*")) {
        cell = "1970-01-01 " + cell;
      }
      if (i > 0) { out.append(", "); }
      out.append(quoted(columns.get(i).getName())).append(": ");
      out.append(cell.equals("NULL") ? "null" : quoted(cell));
    }
    return out.append("}").toString();
  }

  // Makes the tables anew with the rows of a record.
  void feed(Rec record) throws Exception {
    for (Map.Entry<String, String> entry : ddl.entrySet()) {
      String table = entry.getKey();
      boolean retracts = entry.getValue().contains("'retract'");
      for (Feed feed : record.feeds) {
        retracts |= feed.table.equals(table) && feed.retraction;
      }
      Path file = folder.resolve(table + "-" + files++ + ".json");
      String with = "WITH ('connector' = 'filesystem', 'path' = 'file://" + file + "', 'format' = '"
          + (retracts ? "debezium-json" : "json") + "')";
      int at = entry.getValue().toUpperCase().lastIndexOf("WITH (");
      env.executeSql("DROP TABLE IF EXISTS `" + table + "`");
      env.executeSql(entry.getValue().substring(0, at) + with);
      List<Column> columns = new ArrayList<>();
      for (Column column : env.from("`" + table + "`").getResolvedSchema().getColumns()) {
        if (column.isPhysical()) { columns.add(column); }
      }
      StringBuilder text = new StringBuilder();
      for (Feed feed : record.feeds) {
        if (!feed.table.equals(table)) { continue; }
        String row = object(feed.values, columns);
        if (!retracts) {
          text.append(row);
        } else if (feed.retraction) {
          text.append("{\"before\": " + row + ", \"after\": null, \"op\": \"d\"}");
        } else {
          text.append("{\"before\": null, \"after\": " + row + ", \"op\": \"c\"}");
        }
        text.append("\n");
      }
      Files.writeString(file, text.toString());
    }
  }

  static String cell(String text) {
    if (text.equals("<NULL>")) { return "NULL"; }
    return text.isEmpty() || text.contains(" ") ? "'" + text + "'" : text;
  }

  // Runs a query and takes its rows from the table that Flink prints.
  List<String> run(String sql) throws Exception {
    TableResult result = env.executeSql(sql);
    PrintStream console = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      result.print();
    } finally {
      System.setOut(console);
    }
    List<String> rows = new ArrayList<>();
    boolean header = true;
    List<Integer> ends = new ArrayList<>();
    for (String line : bytes.toString(StandardCharsets.UTF_8).split("\n")) {
      if (line.startsWith("+-")) {
        ends.clear();
        for (int i = 0; i < line.length(); ++i) {
          if (line.charAt(i) == '+') { ends.add(i); }
        }
        continue;
      }
      if (!line.startsWith("|")) { continue; }
      if (header) {
        header = false;
        continue;
      }
      StringBuilder row = new StringBuilder();
      for (int i = 0; i + 1 < ends.size(); ++i) {
        int end = Math.min(line.length(), ends.get(i + 1));
        String text = line.substring(ends.get(i) + 1, end).trim();
        if (i > 0) { row.append(" "); }
        row.append(i == 0 ? text : cell(text));
      }
      rows.add(row.toString());
    }
    return rows;
  }

  // What a list of changes amounts to.
  static List<String> amountTo(List<String> changes) {
    List<String> rows = new ArrayList<>();
    for (String change : changes) {
      String row = change.substring(3);
      if (change.startsWith("+")) {
        rows.add(row);
      } else {
        int at = rows.lastIndexOf(row);
        if (at >= 0) { rows.remove(at); }
      }
    }
    return rows;
  }

  void say(Rec record, String what) {
    ++failures;
    System.err.println(what + ": " + record.sql.trim());
  }

  void statement(Rec record) throws Exception {
    String sql = record.sql.trim();
    if (sql.contains("'script'")) {
      String name = sql.replaceAll("(?is)^create\\s+(temporary\\s+)?table\\s+`?(\\w+).*", "$2");
      ddl.put(name, sql);
      feed(record);
    } else if (!sql.startsWith("SET ")) { // of the engine under test
      env.executeSql(sql);
    }
  }

  void error(Rec record) throws Exception {
    feed(record);
    try {
      String sql = record.sql.trim();
      if (sql.toUpperCase().matches("(?s)(SELECT|WITH|VALUES).*")) {
        run(sql);
      } else {
        env.executeSql(sql);
      }
    } catch (Exception e) {
      return;
    }
    say(record, "Flink accepts it");
  }

  void query(Rec record) throws Exception {
    feed(record);
    List<String> rows;
    try {
      rows = run(record.sql.trim());
    } catch (Exception e) {
      Throwable cause = e;
      while (cause.getCause() != null) { cause = cause.getCause(); }
      say(record, "Flink refuses it (" + cause.getMessage() + ")");
      return;
    }
    if (!record.kind.equals("query changelog")) {
      rows = amountTo(rows);
      if (record.kind.equals("query")) { Collections.sort(rows); }
    }
    record.expected = rows;
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 2) {
      System.err.println("usage: Golden.java FILE.slt NEW_FILE.slt");
      System.exit(2);
    }
    Golden golden = new Golden();
    List<Rec> records = parse(Files.readAllLines(Path.of(args[0])));
    PrintStream out = new PrintStream(new FileOutputStream(args[1]), true, StandardCharsets.UTF_8);
    for (Rec record : records) {
      if (record.kind.startsWith("statement error")) {
        golden.error(record);
      } else if (record.kind.startsWith("statement")) {
        golden.statement(record);
      } else if (record.kind.startsWith("query")) {
        golden.query(record);
      }
      for (String line : record.head) { out.println(line); }
      if (record.kind.startsWith("query")) {
        out.println("----");
        for (String row : record.expected) { out.println(row); }
      }
      out.flush();
    }
    System.exit(golden.failures == 0 ? 0 : 1);
  }
}
