"""A morning of five services: noise, an older flaw that is harmless, a second deployment, and one incident."""

import json
from datetime import datetime, timedelta

from shared import COMPANIES, WORDS, days, draw, write

LINES = 5000
PATHS = ["/orders", "/basket", "/stock", "/prices", "/login", "/search"]


def build(seed, folder):
    rng = draw(seed, "read-log")
    edge, orders, payments, stock, mail = rng.sample(WORDS, 5)
    day = days(rng, "2031-03-01", 1)[0]
    clock = datetime(day.year, day.month, day.day, 6, 0, 0)
    begin, end = rng.randint(2300, 2700), rng.randint(3400, 3700)
    deployments = [f"d-{number}" for number in rng.sample(range(100, 999), 4)]
    ids = [f"{number:06x}" for number in rng.sample(range(0x100000, 0xFFFFFF), LINES)]
    lines, failed, first, end_time, earlier = [], [], None, None, None
    while len(lines) < LINES:
        at = len(lines)
        clock += timedelta(milliseconds=rng.randint(200, 4200))
        request = ids[at]
        if at == 700 or (at > 700 and earlier is None):
            earlier = request
            lines.append(_line(clock, "ERROR", mail, f"req={request} status=502 path=/newsletter"))
        if first is None and at >= begin:
            lines.append(_line(clock, "INFO", "deploy", f"id={deployments[1]} service={payments} version=4.{rng.randint(2, 9)}.0 done"))
            clock += timedelta(seconds=rng.randint(20, 50))
            lines.append(_line(clock, "INFO", "deploy", f"id={deployments[2]} service={edge} version=9.{rng.randint(2, 9)}.1 done"))
            first = request
            lines += _failure(rng, clock, request, payments, orders, edge)
            failed.append(request)
        elif first and end_time is None and at >= end:
            end_time = clock
            lines.append(_line(clock, "INFO", "deploy", f"id={deployments[3]} service={payments} rollback of {deployments[1]} done"))
        elif first and end_time is None and rng.random() < 0.22:
            lines += _failure(rng, clock, request, payments, orders, edge)
            failed.append(request)
        elif at < 300 < at + 2:
            lines.append(_line(clock, "INFO", "deploy", f"id={deployments[0]} service={stock} version=2.{rng.randint(2, 9)}.3 done"))
        else:
            lines.append(_noise(rng, clock, request, [edge, orders, payments, stock, mail], mail))
    lines = lines[:LINES]
    text = "\n".join(lines) + "\n"
    retries = sum(f"req={request} " in line and "status=5" in line for line in lines for request in failed)
    write(folder / "workspace", {"logs/gateway.log": text, "README.md": README.format(edge=edge, orders=orders, payments=payments, stock=stock, mail=mail)})
    right = {
        "service": payments,
        "first_failure": first,
        "failed_requests": len(failed),
        "cause": deployments[1],
        "recovered_at": f"{end_time:%H:%M:%S}",
    }
    write(folder, {"expected.json": json.dumps(right)})
    return {
        "company": rng.choice(COMPANIES),
        "day": day.isoformat(),
        "right": _answer(right),
        "first_error": _answer(right | {"service": mail, "first_failure": earlier}),
        "loudest": _answer(right | {"service": edge}),
        "two_services": _answer(right | {"service": f"{payments} or {orders}"}),
        "retries_counted": _answer(right | {"failed_requests": retries}),
        "wrong_deploy": _answer(right | {"cause": deployments[2]}),
    }


def _answer(found):
    return "\n".join(f"{name}: {value}" for name, value in found.items())


def _line(clock, level, service, text):
    return f"{clock:%H:%M:%S}.{clock.microsecond // 1000:03d} {level:<5} {service} {text}"


def _failure(rng, clock, request, payments, orders, edge):
    """One request that fails: the cause in one service, twice because of the retry, then those that call it."""
    ms = rng.randint(800, 3000)
    return [
        _line(clock, "WARN", payments, f"req={request} ledger refused: unknown currency field, attempt 1"),
        _line(clock + timedelta(milliseconds=90), "ERROR", payments, f"req={request} status=500 path=/pay ms={ms // 4}"),
        _line(clock + timedelta(milliseconds=120), "ERROR", orders, f"req={request} status=502 path=/orders ms={ms // 2}"),
        _line(clock + timedelta(milliseconds=150), "ERROR", edge, f"req={request} status=502 path=/orders ms={ms}"),
        _line(clock + timedelta(milliseconds=160), "ERROR", edge, f"req={request} status=502 path=/orders ms={ms} attempt 2"),
    ]


def _noise(rng, clock, request, services, mail):
    service = rng.choice(services)
    draw_ = rng.random()
    if draw_ < 0.012:
        return _line(clock, "ERROR", mail, f"req={request} smtp timeout, will be sent later status=202 path=/newsletter")
    if draw_ < 0.04:
        return _line(clock, "WARN", service, f"req={request} slow status=200 path={rng.choice(PATHS)} ms={rng.randint(900, 4000)}")
    if draw_ < 0.08:
        return _line(clock, "INFO", service, f"req={request} status={rng.choice([400, 401, 404, 409])} path={rng.choice(PATHS)} ms={rng.randint(2, 40)}")
    if draw_ < 0.14:
        return _line(clock, "DEBUG", service, f"cache {rng.choice(['hit', 'miss', 'evicted'])} key={rng.randint(500, 599)}{rng.randint(10, 99)}")
    return _line(clock, "INFO", service, f"req={request} status=200 path={rng.choice(PATHS)} ms={rng.randint(2, 300)}")


README = """# The gateway's log

One line for each event: `TIME LEVEL SERVICE TEXT`. `{edge}` takes customers' requests, and calls `{orders}`, which calls
`{payments}`; `{stock}` and `{mail}` work on their own. A request keeps its id (`req=`) through all services, and when it is
tried again. `status=` is what a service answered. Lines of `deploy` say when a version was put into service.

`{mail}` loses a newsletter now and then, which nobody minds.
"""
