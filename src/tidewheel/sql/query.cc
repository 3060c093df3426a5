// Comparison of syntax trees. Their nodes hold each other, so it is defined where all are complete,
// and here instead of in the header: Clang recurses without end when it works out what such a
// comparison may throw.
#include "tidewheel/sql/query.h"

namespace tidewheel::sql {

bool operator==(const Logical&, const Logical&) = default;
bool operator==(const In&, const In&) = default;
bool operator==(const Quantified&, const Quantified&) = default;
bool operator==(const Subquery&, const Subquery&) = default;
bool operator==(const WindowSpec&, const WindowSpec&) = default;
bool operator==(const SpecialCall&, const SpecialCall&) = default;
bool operator==(const JsonCall&, const JsonCall&) = default;
bool operator==(const Constructor&, const Constructor&) = default;
bool operator==(const TableArgument&, const TableArgument&) = default;
bool operator==(const GroupingSets&, const GroupingSets&) = default;
bool operator==(const DerivedTable&, const DerivedTable&) = default;
bool operator==(const Join&, const Join&) = default;
bool operator==(const MatchRecognize&, const MatchRecognize&) = default;
bool operator==(const SetOperation&, const SetOperation&) = default;
bool operator==(const NestedQuery&, const NestedQuery&) = default;
bool operator==(const CommonTable&, const CommonTable&) = default;
bool operator==(const Expression&, const Expression&) = default;

}  // namespace tidewheel::sql
