"""What `helm test` runs in the release's own image: python -c <this> <public> <operations> <doors as JSON>."""

import http.client
import json
import sys

FORGED = {"X-Lychgate-User": "admin", "Remote-User": "admin", "X-Forwarded-User": "admin"}


def ask(address, path, **fields):
    """Status, Location, text."""
    there = http.client.HTTPConnection(address, timeout=10)
    there.request("GET", path, headers=fields)
    answer = there.getresponse()
    return answer.status, answer.getheader("Location") or "", answer.read().decode("utf-8", "replace")


def stripped(address):
    """How many requests lost a forged header so far, at the replica that answers."""
    lines = ask(address, "/metrics")[2].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("lychgate_stripped_requests_total"))


def findings(public, operations, doors):
    """What is not as it should be."""
    for path in ("/healthz", "/readyz"):
        status = ask(operations, path)[0]
        print(path, status)
        if status != 200:
            yield f"{path} answers {status}"
    for door in doors:
        host, base = door["host"], door["path"]
        forwarded = {"Host": host, "X-Forwarded-Proto": "https" if door["https"] else "http"}
        api = ask(public, f"{base}/rest/api/2/myself", **forwarded, **FORGED)[0]
        print(host, "a program without a session:", api)
        if door["enforced"]:
            page, place, _ = ask(
                public,
                f"{base}/browse/KEY-1",
                **forwarded,
                **{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
            )
            print(host, "a page without a session:", page, place.partition("?")[0])
            if api != 401:
                yield f"{host}: a program without a session gets {api}, not 401"
            if page not in (200, 302, 303) or (page != 200 and not place):
                yield f"{host}: a page without a session gets {page}, and leads to no sign-in"
        elif api == 200:
            yield f"{host}: a stranger with forged headers is somebody"
    if doors and not any(stripped(operations) for _ in range(20)):
        yield "no forged header was taken off"


def main(arguments):
    public, operations, doors = arguments
    found = list(findings(public, operations, json.loads(doors)))
    for finding in found:
        print("FAILED:", finding)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
