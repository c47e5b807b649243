"""Does with the client what standard input asks, and prints what came of it: the same program in every language."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))
from sortition_origin import Sortition, SortitionError, expose, proof, sign, signed_user, variants  # noqa: E402

asked = json.load(sys.stdin)
client = Sortition(asked["url"], asked["secret"], asked["token"], tries=asked["tries"], wait=0.05)


def caught(work):
    try:
        return {"value": work()}
    except SortitionError as error:
        return {"error": str(error)}


answer = {
    "variants": [[list(pair) for pair in variants(header).items()] for header in asked["headers"]],
    "expose": expose(asked["exposed"]),
    "sign": sign(asked["body"], asked["secret"], asked["seconds"]),
    "proof": proof(*asked["ids"], asked["secret"]),
    "signed_user": signed_user(asked["ids"][1], asked["secret"]),
    "report": caught(lambda: client.report(asked["events"])) if asked.get("events") else None,
    "choose": caught(lambda: client.choose(**asked["question"])) if asked.get("question") else None,
}
print(json.dumps(answer))
