#include <weft.h>

void handle(const weft_request *request, weft_response *response) {
    weft_add_header(response, "content-type", "text/plain");
    if (weft_is(request->method, "POST")) {
        weft_write(response, request->body.data, request->body.size);
    } else {
        weft_print(response, "Hello from {{language}}!\n");
    }
}
