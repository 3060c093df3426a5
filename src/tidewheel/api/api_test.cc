// Whole small jobs through the API, in the real world of this process.
#include <gtest/gtest.h>

#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

using Counts = std::vector<std::pair<std::string, int64_t>>;

struct Click {
  std::string user;
  std::string url;
  Timestamp at;
};
struct Rule {
  std::string url;
  std::string name;
};
struct Sale {
  std::string shop;
  int64_t cents = 0;
  Timestamp at;
  friend auto operator<=>(const Sale&, const Sale&) = default;
};

void run(Env& env) {
  const auto result = env.execute("test");
  ASSERT_TRUE(result.ok()) << result.status().to_string();
}

auto word_counts(Env& env, std::vector<std::string> lines) {
  return env.from_collection(std::move(lines))
      .flat_map<std::string>([](const std::string& line, Out<std::string>& out) {
        for (size_t i = 0, j = 0; i < line.size(); i = j + 1) {
          j = std::min(line.find(' ', i), line.size());
          if (j > i) { out(line.substr(i, j - i)); }
        }
      })
      .key_by([](const std::string& word) { return word; })
      .running(int64_t{0}, [](int64_t& n, const std::string&) { ++n; });
}

TEST(Api, words_are_counted) {
  Env env;
  auto counts = word_counts(env, {"to be or", "not to be"}).collect();
  run(env);
  EXPECT_EQ(counts.get(),
            (Counts{{"to", 1}, {"be", 1}, {"or", 1}, {"not", 1}, {"to", 2}, {"be", 2}}));
}

TEST(Api, results_do_not_depend_on_parallelism_or_batch_size) {
  std::vector<std::string> lines;
  for (int i = 0; i < 500; ++i) { lines.push_back(fmt::format("a{} b{} c", i % 7, i % 13)); }
  std::optional<Counts> expected;
  for (const int32_t parallelism : {1, 2, 4}) {
    for (const int64_t rows : {1, 3, 1024}) {
      Env env;
      env.parallelism(parallelism).batch_rows(rows);
      auto counts = word_counts(env, lines).collect();
      run(env);
      if (!expected.has_value()) { expected = counts.sorted(); }
      EXPECT_EQ(counts.sorted(), *expected) << parallelism << " " << rows;
    }
  }
}

TEST(Api, maps_filters_and_unions) {
  Env env;
  auto small = env.sequence(1, 5).map([](int64_t n) { return n * 10; });
  auto large = env.sequence(100, 105).filter([](int64_t n) { return n % 2 == 0; });
  auto all = small.union_with(large).collect();
  run(env);
  EXPECT_EQ(all.sorted(), (std::vector<int64_t>{10, 20, 30, 40, 50, 100, 102, 104}));
}

TEST(Api, keyed_folds_of_fields) {
  const std::vector<Sale> sales = {{"a", 5, {}}, {"b", 7, {}}, {"a", 3, {}}, {"a", 9, {}}};
  Env env;
  auto keyed = env.from_collection(sales).key_by(&Sale::shop);
  auto sums = keyed.sum(&Sale::cents).collect();
  auto least = keyed.min(&Sale::cents).collect();
  auto most = keyed.max_by(&Sale::cents).collect();
  auto joined = keyed
                    .reduce([](const Sale& a, const Sale& b) {
                      return Sale{a.shop, a.cents * 10 + b.cents, {}};
                    })
                    .collect();
  run(env);
  const auto cents = [](const Collected<Sale>& rows) {
    std::vector<int64_t> values;
    for (const Sale& sale : rows.get()) { values.push_back(sale.cents); }
    return values;
  };
  EXPECT_EQ(cents(sums), (std::vector<int64_t>{5, 7, 8, 17}));
  EXPECT_EQ(cents(least), (std::vector<int64_t>{5, 7, 3, 3}));
  EXPECT_EQ(cents(most), (std::vector<int64_t>{5, 7, 5, 9}));
  EXPECT_EQ(cents(joined), (std::vector<int64_t>{5, 7, 53, 539}));
}

struct Inactivity {
  using output = std::string;
  Value<int64_t> clicks{"clicks"};
  EventTimer idle{"idle"};
  void on_element(const Click& click, auto&) {
    clicks.update([](int64_t& n) { ++n; });
    idle.at(click.at + 10min);
  }
  void on_timer(EventTimer&, Timestamp when, auto& ctx) {
    ctx.emit(fmt::format("{} {} {}", ctx.key(), clicks.get(), when.ms()));
    clicks.clear();
  }
};

TEST(Api, timers_fire_by_watermarks_and_at_the_end) {
  Env env;
  env.parallelism(2);
  auto alerts = env.from_elements<Click>({{"ann", "/", Timestamp(1min)},
                                          {"bob", "/", Timestamp(2min)},
                                          {"cy", "/", Timestamp(15min)},
                                          {"ann", "/", Timestamp(20min)}})
                    .event_time(&Click::at, monotonous().per_record())
                    .key_by(&Click::user)
                    .process(Inactivity{})
                    .uid("inactivity")
                    .collect();
  run(env);
  EXPECT_EQ(alerts.sorted(), (std::vector<std::string>{"ann 1 1800000", "ann 1 660000",
                                                       "bob 1 720000", "cy 1 1500000"}));
}

struct Named {
  using output = std::string;
  Broadcast<std::string, std::string> names{"names"};
  List<Click> waiting{"waiting"};
  void on_element(const Click& click, auto& ctx) {
    if (names.contains(click.url)) {
      ctx.emit(click.user + " " + names.get(click.url));
    } else {
      waiting.add(click);
    }
  }
  void on_broadcast(const Rule& rule, auto& ctx) {
    names.edit(ctx).put(rule.url, rule.name);
    ctx.for_each_key([&](const std::string& user) {
      for (const Click& click : waiting.items()) {
        if (click.url == rule.url) { ctx.emit(user + " " + rule.name); }
      }
    });
  }
};

TEST(Api, broadcast_rows_reach_every_subtask) {
  Env env;
  env.parallelism(3);
  auto clicks = env.from_elements<Click>({{"ann", "/a", {}}, {"bob", "/a", {}}, {"cy", "/b", {}}});
  auto rules = env.from_elements<Rule>({{"/a", "home"}, {"/b", "shop"}});
  auto named = clicks.key_by(&Click::user).connect(rules.broadcast()).process(Named{}).collect();
  run(env);
  EXPECT_EQ(named.sorted(), (std::vector<std::string>{"ann home", "bob home", "cy shop"}));
}

struct Both {
  using output = std::string;
  Value<std::string> left{"left"};
  Value<std::string> right{"right"};
  void on_left(const Click& click, auto& ctx) {
    left = click.url;
    if (right) { ctx.emit(*left + *right); }
  }
  void on_right(const Rule& rule, auto& ctx) {
    right = rule.name;
    if (left) { ctx.emit(*left + *right); }
  }
};

TEST(Api, two_keyed_streams_share_state) {
  Env env;
  env.parallelism(2);
  auto clicks = env.from_elements<Click>({{"ann", "/a", {}}, {"bob", "/b", {}}});
  auto rules = env.from_elements<Rule>({{"bob", "!"}, {"ann", "?"}});
  auto both =
      clicks.key_by(&Click::user).connect(rules.key_by(&Rule::url)).process(Both{}).collect();
  run(env);
  EXPECT_EQ(both.sorted(), (std::vector<std::string>{"/a?", "/b!"}));
}

TEST(Api, side_outputs_are_streams) {
  const OutputTag<std::string> odd{"odd"};
  Env env;
  auto even = env.sequence(1, 6).flat_map<int64_t>([odd](int64_t n, Out<int64_t>& out) {
    if (n % 2 == 0) {
      out(n);
    } else {
      out.side(odd, std::to_string(n));
    }
  });
  auto odds = even.side(odd).collect();
  auto evens = even.collect();
  run(env);
  EXPECT_EQ(evens.sorted(), (std::vector<int64_t>{2, 4, 6}));
  EXPECT_EQ(odds.sorted(), (std::vector<std::string>{"1", "3", "5"}));
}

TEST(Api, asynchronous_calls_keep_the_order_of_rows) {
  Env env;
  auto squares = env.sequence(1, 200)
                     .async_map(
                         [](int64_t n) -> Async<int64_t> {
                           if (n % 3 == 0) { co_await sleep(1ms); }
                           const int64_t square = co_await offload([n] { return n * n; });
                           co_return square;
                         },
                         {.capacity = 16, .timeout = 1min})
                     .collect();
  run(env);
  std::vector<int64_t> expected;
  for (int64_t n = 1; n <= 200; ++n) { expected.push_back(n * n); }
  EXPECT_EQ(squares.get(), expected);
}

TEST(Api, rows_are_spread_as_asked) {
  Env env;
  env.parallelism(4);
  auto numbers = env.sequence(1, 100);
  auto custom = numbers.partition_custom([](int64_t n, int32_t subtasks) { return n % subtasks; })
                    .map([](int64_t n) { return n; })
                    .collect();
  auto all = numbers.broadcast().stream().map([](int64_t n) { return n; }).collect();
  auto global = numbers.global().map([](int64_t n) { return n; }).collect();
  auto shuffled = numbers.shuffle().map([](int64_t n) { return n; }).collect();
  run(env);
  EXPECT_EQ(custom.get().size(), 100U);
  EXPECT_EQ(all.get().size(), 400U);
  EXPECT_EQ(global.get().size(), 100U);
  EXPECT_EQ(shuffled.sorted().back(), 100);
}

TEST(Api, accumulators_are_added_up_over_subtasks) {
  struct Count {
    Counter* seen = nullptr;
    void open(RuntimeContext& context) { seen = &context.counter("seen"); }
    int64_t operator()(int64_t n) {
      seen->add();
      return n;
    }
  };
  Env env;
  env.parallelism(3);
  env.sequence(1, 50).map(Count{}).to(discard());
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(result->accumulators.at("seen"), 50);
}

TEST(Api, a_throwing_function_fails_the_job_with_one_message) {
  Env env;
  env.sequence(1, 10)
      .map([](int64_t n) {
        if (n == 7) { throw std::runtime_error("seven"); }
        return n;
      })
      .name("risky")
      .uid("risky-1")
      .to(discard());
  const auto result = env.execute();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kUserCodeThrew);
  EXPECT_NE(result.status().message().find(
                "operator 'risky' (uid risky-1), subtask 1 of 1, in map, at record 7"),
            std::string::npos)
      << result.status().message();
}

TEST(Api, mistakes_are_found_before_the_job_starts) {
  {
    Env env;
    env.sequence(1, 2).map([](int64_t n) { return n; }).parallelism(0).to(discard());
    EXPECT_EQ(env.execute().status().id(), ErrorId::kGraphParallelism);
  }
  {
    Env env;
    env.sequence(1, 2)
        .name("a")
        .uid("same")
        .map([](int64_t n) { return n; })
        .uid("same")
        .to(discard());
    EXPECT_EQ(env.execute().status().id(), ErrorId::kGraphUid);
  }
  {
    Env env;
    env.from_elements<Sale>({{"a", 1, {}}})
        .map([](const Sale& sale) { return sale; })
        .event_time(&Sale::at, monotonous().align("group", 1s))
        .to(discard());
    EXPECT_EQ(env.execute().status().id(), ErrorId::kGraphEdge);
  }
  {
    Env env;
    EXPECT_EQ(env.execute().status().id(), ErrorId::kGraphEmpty);
  }
}

TEST(Api, a_running_job_can_be_cancelled) {
  Env env;
  env.generate([](int64_t n) { return n; }).to(discard());
  auto job = env.execute_async("endless");
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  (*job)->cancel();
  EXPECT_EQ((*job)->result().id(), ErrorId::kJobCancelled);
}

TEST(Api, a_running_job_can_be_stopped_with_what_it_has_read) {
  Env env;
  auto rows = env.generate([](int64_t n) { return n; }).collect();
  auto job = env.execute_async("endless");
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  (*job)->stop();
  EXPECT_TRUE((*job)->result().ok());
  const auto numbers = rows.get();
  for (size_t i = 0; i < numbers.size(); ++i) { ASSERT_EQ(numbers[i], static_cast<int64_t>(i)); }
}

TEST(Api, the_plan_names_operators_and_edges) {
  Env env;
  env.parallelism(2);
  word_counts(env, {}).name("count").uid("count-1").to(discard());
  const auto text = env.explain();
  ASSERT_TRUE(text.ok());
  EXPECT_NE(text->find("<- [1] HASH"), std::string::npos) << *text;
  EXPECT_NE(text->find("count  uid count-1"), std::string::npos) << *text;
  const auto json = env.explain_json();
  ASSERT_TRUE(json.ok());
  EXPECT_NE(json->find("\"ship_strategy\":\"HASH\""), std::string::npos) << *json;
}

// ---- Sinks of one's own ----

struct Written {
  std::vector<int64_t> committed;
  int64_t aborted = 0;
};
struct TwoPhase {
  using input = int64_t;
  struct Pending {
    std::vector<int64_t> rows;
  };
  static constexpr int32_t fixed_parallelism = 1;
  std::shared_ptr<Written> written;
  std::vector<int64_t> open_rows = {};
  void write(const int64_t& row) { open_rows.push_back(row); }
  Result<std::vector<Pending>> prepare(int64_t) {
    return std::vector<Pending>{{std::exchange(open_rows, {})}};
  }
  Status commit(const Pending& pending) {
    written->committed.insert(written->committed.end(), pending.rows.begin(), pending.rows.end());
    return {};
  }
};

TEST(Api, a_two_phase_sink_commits_when_its_input_has_ended) {
  auto written = std::make_shared<Written>();
  Env env;
  env.sequence(1, 5).to(TwoPhase{written});
  run(env);
  EXPECT_EQ(written->committed, (std::vector<int64_t>{1, 2, 3, 4, 5}));
}

struct FailingSink {
  using input = int64_t;
  Status write(const int64_t& row, int64_t) {
    if (row < 3) { return {}; }
    return unavailable(ErrorId::kFileIo, "the shelf is full");
  }
};

TEST(Api, a_sink_that_fails_ends_the_job_with_its_error) {
  Env env;
  env.sequence(1, 5).to(FailingSink{}).name("shelf");
  const Status status = env.execute().status();
  EXPECT_EQ(status.id(), ErrorId::kFileIo);
  EXPECT_NE(status.message().find("operator 'shelf'"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("at record 3"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace tidewheel
