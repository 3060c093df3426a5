// One job graph with everything that a stateful event-time job is made of: bad and missing values,
// event time with late rows, tumbling and session windows, a process function with timers,
// broadcast state, and an interval join.
#include "job.h"
#include "paced.h"

#include <tidewheel/connectors/file/records.h>
#include <tidewheel/connectors/file/sink.h>
#include <tidewheel/formats/csv/reader.h>
#include <tidewheel/formats/csv/writer.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace flights {
namespace {

using namespace std::chrono_literals;

// Rows come by actual departure and cancelled ones at the end of their day, so up to 18 hours after
// rows that were scheduled later. With a little less allowed, some hundreds are late.
constexpr tw::Duration kOutOfOrder = 17h;

// Rows that can't be read are left out, and counted in "malformed records".
template <class T>
tw::csv::Rows<T> read_as() {
  return tw::csv::rows<T>({.null_literals = {"NA"}, .on_malformed = tw::csv::OnMalformed::kSkip});
}

// ---- Hourly figures of an airport ----

struct HourSum {
  int64_t flights = 0;
  int64_t cancelled = 0;
  int64_t delay_sum = 0;
  std::vector<int32_t> delays;
};

tw::Decimal<12, 3> mean_of(int64_t sum, int64_t count) {
  const int64_t half = sum < 0 ? -count / 2 : count / 2;
  return tw::Decimal<12, 3>::of_unscaled((sum * 1000 + half) / count);
}

Hourly finish_hour(const tw::Text& origin, const tw::TimeWindow& window, const HourSum& sum) {
  Hourly row{origin, window.start, sum.flights, sum.cancelled, std::nullopt, std::nullopt};
  if (!sum.delays.empty()) {
    std::vector<int32_t> delays = sum.delays;
    const auto count = static_cast<int64_t>(delays.size());
    const auto rank = delays.begin() + (count * 95 + 99) / 100 - 1;
    std::nth_element(delays.begin(), rank, delays.end());
    row.mean_delay = mean_of(sum.delay_sum, count);
    row.p95_delay = *rank;
  }
  return row;
}

tw::Stream<Hourly> hourly_by_airport(const tw::Stream<Flight>& flights,
                                     const tw::OutputTag<Flight>& late) {
  return flights.key_by(&Flight::origin)
      .window(tw::tumbling(1h))
      .late_to(late)
      .aggregate(tw::aggregator{.init = [] { return HourSum{}; },
                                .add =
                                    [](HourSum& sum, const Flight& flight) {
                                      ++sum.flights;
                                      if (flight.is_cancelled()) {
                                        ++sum.cancelled;
                                      } else if (flight.dep_delay) {
                                        sum.delay_sum += *flight.dep_delay;
                                        sum.delays.push_back(*flight.dep_delay);
                                      }
                                    },
                                .merge =
                                    [](HourSum& sum, const HourSum& other) {
                                      sum.flights += other.flights;
                                      sum.cancelled += other.cancelled;
                                      sum.delay_sum += other.delay_sum;
                                      sum.delays.insert(sum.delays.end(), other.delays.begin(),
                                                        other.delays.end());
                                    },
                                .result = finish_hour});
}

// ---- Rows that are late are left out of what follows ----

struct OnTimeOnly {
  using output = Flight;
  tw::Counter* late = nullptr;

  void open(tw::RuntimeContext& runtime) { late = &runtime.counter("late rows"); }
  void on_element(const Flight& flight, auto& ctx) {
    if (ctx.timestamp() > ctx.watermark()) {
      ctx.emit(flight);
    } else {
      late->add();
    }
  }
};

// Counts what is missing in rows; passes them on.
struct Count {
  using output = Flight;
  tw::Counter* rows = nullptr;
  tw::Counter* cancelled = nullptr;
  tw::Counter* without_tailnum = nullptr;

  void open(tw::RuntimeContext& runtime) {
    rows = &runtime.counter("rows read");
    cancelled = &runtime.counter("cancelled");
    without_tailnum = &runtime.counter("without tail number");
  }
  void on_element(const Flight& flight, auto& ctx) {
    rows->add();
    if (flight.is_cancelled()) { cancelled->add(); }
    if (!flight.tailnum) { without_tailnum->add(); }
    ctx.emit(flight);
  }
};

// ---- What an aircraft does between longer pauses ----

tw::Stream<Session> sessions_by_aircraft(const tw::Stream<Flight>& flights) {
  return flights.filter([](const Flight& flight) { return flight.tailnum.has_value(); })
      .parallelism(1)
      .key_by([](const Flight& flight) { return *flight.tailnum; })
      .window(tw::session(24h))
      .aggregate(tw::aggregator{
          .init = [] { return Session{}; },
          .add =
              [](Session& session, const Flight& flight) {
                ++session.legs;
                if (flight.is_cancelled()) { ++session.cancelled; }
                session.delay_minutes += flight.dep_delay.value_or(0);
              },
          .merge =
              [](Session& session, const Session& other) {
                session.legs += other.legs;
                session.cancelled += other.cancelled;
                session.delay_minutes += other.delay_minutes;
              },
          .result =
              [](const tw::Text& tailnum, const tw::TimeWindow& window, const Session& session) {
                return Session{tailnum,      window.start,      window.end,
                               session.legs, session.cancelled, session.delay_minutes};
              }});
}

// ---- More than an hour late three times in a row ----

// Rows wait until event time has passed them, and so are looked at in the order of the schedule.
struct LateStreak {
  using output = LateThrice;
  static constexpr int32_t kLateMinutes = 60;
  struct Streak {
    int32_t length = 0;
    int32_t first = 0;
    int32_t second = 0;
  };
  tw::List<Departure> waiting{"waiting"};
  tw::Value<Streak> streak{"streak"};

  void on_element(const Departure& departure, auto& ctx) {
    waiting.add(departure);
    ctx.timers().at(departure.scheduled);
  }
  void on_timer(tw::Timestamp when, auto& ctx) {
    std::vector<Departure> due, later;
    for (const Departure& departure : waiting.items()) {
      (departure.scheduled == when ? due : later).push_back(departure);
    }
    std::sort(due.begin(), due.end(), [](const Departure& a, const Departure& b) {
      return std::tie(a.carrier, a.flight, a.dest) < std::tie(b.carrier, b.flight, b.dest);
    });
    for (const Departure& departure : due) { look_at(departure, ctx); }
    waiting.replace(later);
  }
  void look_at(const Departure& departure, auto& ctx) {
    if (departure.delay <= kLateMinutes) {
      streak.clear();
      return;
    }
    Streak now = streak.get_or(Streak{});
    if (++now.length == 3) {
      ctx.emit({departure.tailnum, departure.scheduled, now.first, now.second, departure.delay});
      streak.clear();
      return;
    }
    (now.length == 1 ? now.first : now.second) = departure.delay;
    streak = now;
  }
};

// Every subtask has all planes. An alert waits in a timer until both inputs have come to its time:
// the planes have no event time before their end, so then all of them are known.
struct AddPlane {
  using output = Alert;
  tw::List<LateThrice> waiting{"waiting"};
  tw::Broadcast<tw::Text, Plane> planes{"planes"};

  void on_element(const LateThrice& alert, auto& ctx) {
    waiting.add(alert);
    ctx.timers().at(alert.at);
  }
  void on_broadcast(const Plane& plane, auto& ctx) { planes.edit(ctx).put(plane.tailnum, plane); }
  void on_timer(tw::Timestamp, auto& ctx) {
    const Plane* plane = planes.find(ctx.key());
    for (const LateThrice& alert : waiting.items()) {
      Alert row{alert.tailnum, alert.at,     alert.first,  alert.second,
                alert.third,   std::nullopt, std::nullopt, std::nullopt};
      if (plane != nullptr) {
        row.manufacturer = plane->manufacturer;
        row.model = plane->model;
        row.year = plane->year;
      }
      ctx.emit(row);
    }
    waiting.clear();
  }
};

tw::Stream<Alert> alerts(tw::Env& env, const tw::Stream<Flight>& flights, const Paths& paths) {
  auto thrice = flights
                    .filter([](const Flight& flight) {
                      return flight.tailnum && !flight.is_cancelled() && flight.dep_delay;
                    })
                    .parallelism(1)
                    .map([](const Flight& flight) {
                      return Departure{*flight.tailnum, flight.scheduled(), flight.carrier,
                                       flight.flight,   flight.dest,        *flight.dep_delay};
                    })
                    .parallelism(1)
                    .key_by(&Departure::tailnum)
                    .process(LateStreak{})
                    .name("late three times")
                    .uid("late-streak");
  auto planes = env.from("planes", tw::file::records(paths.planes, read_as<Plane>()))
                    .uid("planes")
                    .parallelism(1);
  return thrice.key_by(&LateThrice::tailnum)
      .connect(planes.broadcast())
      .process(AddPlane{})
      .name("add the plane")
      .uid("add-plane");
}

// ---- The weather of late departures ----

tw::Stream<InWeather> with_weather(tw::Env& env, const tw::Stream<Flight>& flights,
                                   const Paths& paths) {
  // The file is ordered by airport, so it has no useful event time before its end.
  auto weather = env.from("weather", tw::file::records(paths.weather, read_as<Weather>()))
                     .uid("weather")
                     .parallelism(1)
                     .event_time(&Weather::time_hour, tw::bounded_lateness(366 * 24h));
  return flights.filter([](const Flight& flight) { return flight.dep_delay.value_or(0) > 60; })
      .parallelism(1)
      .key_by(&Flight::origin)
      .interval_join(weather.key_by(&Weather::origin), -(1h - 1ms), 0ms,
                     [](const Flight& flight, const Weather& hour) {
                       return InWeather{flight.origin, flight.scheduled(), flight.carrier,
                                        flight.flight, *flight.dep_delay,  hour.visib,
                                        hour.precip,   hour.wind_speed};
                     })
      .name("weather of late departures")
      .uid("weather-join");
}

// A folder of CSV files for each result.
template <class T>
void write_csv(const tw::Stream<T>& rows, const Paths& paths, const std::string& name) {
  rows.to(tw::file::write(paths.out + "/" + name, tw::csv::lines_of<T>(), {.suffix = ".csv"}))
      .name("write " + name)
      .uid("write-" + name);
}

}  // namespace

Results build(tw::Env& env, const Paths& paths) {
  // One reader, which takes the files in turn, and a watermark after every row: which rows are late
  // does then not depend on batches or parallelism. All that comes before a key has one subtask
  // too: rows and watermarks keep their order, which matters where a session ends just as the next
  // row comes.
  auto read =
      env.from("flights", Paced(tw::file::records(paths.flights, read_as<Flight>()), paths.rate))
          .uid("flights")
          .parallelism(1)
          .event_time(&Flight::scheduled, tw::bounded_lateness(kOutOfOrder).per_record());
  auto flights = read.process(Count{}).name("count").uid("count").parallelism(1);

  const tw::OutputTag<Flight> late{"late"};
  auto hourly = hourly_by_airport(flights, late).name("hourly").uid("hourly");
  write_csv(hourly, paths, "hourly");
  write_csv(hourly.side(late).map([](const Flight& flight) {
    return LateRow{flight.origin,  flight.carrier,     flight.flight,
                   flight.tailnum, flight.scheduled(), flight.dep_delay};
  }),
            paths, "late");

  auto on_time = flights.process(OnTimeOnly{}).name("on time only").uid("on-time").parallelism(1);
  write_csv(sessions_by_aircraft(on_time).name("sessions").uid("sessions"), paths, "sessions");
  auto late_thrice = alerts(env, on_time, paths);
  write_csv(late_thrice, paths, "alerts");
  auto late_weather = with_weather(env, on_time, paths);
  write_csv(late_weather, paths, "weather");
  return {hourly.collect(), late_thrice.collect(), late_weather.collect()};
}

}  // namespace flights
