// The API's description in OpenAPI's form, made from its routes.
#pragma once
#include <string>

namespace tidewheel {

class RestRouter;  // rest/router.h

std::string openapi_json(const RestRouter& router);

}  // namespace tidewheel
