"""A server in Python that asks through OpenFeature. Reads questions as JSON, a line each, and prints the answers."""

import json
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

base, token = sys.argv[1:]
api.set_provider(OFREPProvider(base, headers_factory=lambda: {"Authorization": f"Bearer {token}"}))
client = api.get_client()
for line in sys.stdin:
    asked = json.loads(line)
    context = asked["context"]
    given = EvaluationContext(context.pop("targetingKey", None), context)
    evaluate = getattr(client, f"get_{asked['type']}_details")
    details = evaluate(asked["key"], asked["default"], given)
    answer = {
        "value": details.value,
        "reason": details.reason,
        "variant": details.variant,
        "code": details.error_code,
        "message": details.error_message,
        "metadata": dict(details.flag_metadata or {}),
    }
    print(json.dumps(answer), flush=True)
