"""What an origin says to and hears from Sortition: decisions, exposures, conversions. The standard library alone."""

import hashlib
import hmac
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

__all__ = ["Sortition", "SortitionError", "expose", "proof", "sign", "signed_user", "variants"]

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9_!#$%&'*+\-.^`|~:/]*")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_REST = re.compile(r"""(?:;[ ]*[a-z*][a-z0-9_\-.*]*(?:=(?:[A-Za-z0-9_!#$%&'*+\-.^`|~:/?]+|"(?:[ !#-\[\]-~]|\\["\\])*"))?)*""")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def variants(header):
    """``Sortition-Variants`` as a dict, in its order: an RFC 9651 dictionary. What is no such thing says nothing."""
    text = (header or "").strip(" ")
    found, at = {}, 0
    while at < len(text):
        key = _KEY.match(text, at)
        if not key or text[key.end() : key.end() + 1] != "=":
            return {}
        at = key.end() + 1
        string = _STRING.match(text, at)
        value = string or _TOKEN.match(text, at)
        if not value:
            return {}
        at = _REST.match(text, value.end()).end()
        # a name that starts with a digit is written behind a star
        name = re.sub(r"^\*(?=[0-9])", "", key.group())
        found[name] = re.sub(r"\\(.)", r"\1", string.group(1)) if string else value.group()
        if at == len(text):
            break
        comma = _COMMA.match(text, at)
        if not comma or comma.end() == len(text):
            return {}
        at = comma.end()
    return found


def expose(experiments):
    """The value of ``Sortition-Expose``: the experiments that this answer really rendered."""
    return ", ".join(name if re.match("[a-z]", name) else json.dumps(name) for name in dict.fromkeys(experiments))


def _hmac(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign(body, secret, seconds=None):
    """The value of ``Sortition-Signature`` for a body."""
    seconds = int(time.time()) if seconds is None else seconds
    return f"t={seconds},v1={_hmac(secret, f'{seconds}.{body}')}"


def proof(anonymous_id, user_id, secret):
    """What lets a page say that a visitor is a user: the third argument of ``sortition.identify``."""
    return _hmac(secret, f"{anonymous_id}.{user_id}")


def signed_user(user, secret):
    """The user cookie of ``visitor.user_signed``."""
    return f"{user}.{_hmac(secret, f'user.{user}')}"


class SortitionError(Exception):
    """What the worker refused, or that it could not be reached."""


class Sortition:
    """Talks to a worker.

    ``url`` is a page's of the shop, ``secret`` its INGEST_SECRET, ``token`` its API_TOKEN. What fails for the moment
    (no connection, 429, 5xx) is tried ``tries`` times, after ``wait`` seconds, twice that, …
    """

    def __init__(self, url, secret=None, token=None, tries=5, wait=1.0, timeout=10.0):
        self.url, self.secret, self.token = url, secret, token
        self.tries, self.wait, self.timeout = tries, wait, timeout

    def report(self, events):
        """Reports events of this server; each names its ``anonymous_id`` or ``user_id``. A retry is recorded once."""
        named = [{"type": "experiment_converted", "id": uuid.uuid4().hex, **event} for event in events]
        body = json.dumps({"events": named})
        self._post("conversions", body, lambda: {"Sortition-Signature": sign(body, self.secret)})

    def choose(self, **question):
        """Decisions for somebody: ``units, names, tags, url, attributes, expose`` → ``decisions, revision``."""
        body = json.dumps(question)
        return json.loads(self._post("choose", body, lambda: {"Authorization": f"Bearer {self.token}"}))

    def _post(self, path, body, headers):
        target = urllib.parse.urljoin(self.url, f"/_sortition/{path}")
        for tried in range(1, self.tries + 1):
            request = urllib.request.Request(target, body.encode(), {"Content-Type": "application/json", **headers()})
            asked = None
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    return answer.read().decode()
            except urllib.error.HTTPError as error:
                problem = SortitionError(f"sortition answers {error.code}: {error.read().decode(errors='replace')}")
                if error.code != 429 and error.code < 500:
                    raise problem from None
                asked = error.headers.get("Retry-After")
            except OSError as error:
                problem = SortitionError(f"sortition cannot be reached: {error}")
            if tried == self.tries:
                raise problem
            seconds = min(int(asked), 60) if asked and asked.isdigit() else 0
            time.sleep(seconds or self.wait * 2 ** (tried - 1))
        raise SortitionError("tries must be positive")
