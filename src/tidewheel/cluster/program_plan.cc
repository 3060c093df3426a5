#include "tidewheel/cluster/program_plan.h"

#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/options.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/job_report_builder.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

Status write_program_plan(FileSystem& files, const std::string& path, LogicalGraph graph,
                          const Config& config) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const ChainedGraph chained, chain_graph(std::move(graph), config));
  pb::JobReport report;
  fill_plan(chained, report);
  report.set_name(config.get(options::kPipelineName));
  return write_all_durably(files, path, report.SerializeAsString());
}

}  // namespace tidewheel
