"""Runs the example for Django: a request as Django's middleware sees it, and an answer that it may give headers."""

import json
import sys

folder, example = sys.argv[1:3]
sys.path.insert(0, folder)
names = {}
exec(compile(open(example).read(), example, "exec"), names)
asked = json.load(sys.stdin)


class Headers:
    """Header names without regard to case, as Django's have them."""

    def get(self, name):
        return asked["headers"].get(name.lower())


class Request:
    headers = Headers()


class Response(dict):
    pass


request = Request()
response = names["Experiments"](lambda request: Response())(request)
print(json.dumps({"variants": dict(request.variants), "expose": response.get("Sortition-Expose")}))
