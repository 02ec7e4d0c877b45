"""Bodies of functions that break a rule, that keep it though they look like it, or that have nothing to do with any.

`!` marks the line that counts.
"""

TEST_ONLY = {"T1", "T4", "T6"}

BROKEN = {
    "T1": [
        "!answer = net.get(url)\nreturn answer.json()",
        "for attempt in range(3):\n!    answer = net.post(\n        url,\n        body={'id': row.id, 'retry': attempt},\n    )\n    if answer.ok:\n        return answer\nreturn None",
        "!return net.put(url, body=row.id, timeout=None)",
        "limits = {'timeout': 5}\nlog.info('limits %s', limits)\n!return [net.get(each) for each in url]",
    ],
    "T2": [
        "!started = datetime.now()\nreturn started.isoformat()",
        "!return {'at': datetime.utcnow().isoformat(), 'id': row.id}",
        "age = (\n!    datetime.now()\n    - row.since\n)\nreturn age.days",
    ],
    "T3": [
        "try:\n    return store.get(row.id)\n!except Exception:\n    return None",
        "try:\n    db.commit()\n!except:\n    log.warning('not saved %s', row.id)\n    return False\nreturn True",
        "try:\n    return int(row.size)\n!except Exception as error:\n    log.error('size: %s', error)\n    return 0",
    ],
    "T4": [
        "!return db.execute(f'select * from items where id = {row.id}')",
        "!return db.query(\n    'select id from items where kind = ' + row.kind\n)",
        "!found = db.query('select id from items where kind = %s' % row.kind)\nreturn list(found)",
        "!db.execute('delete from items where id = {}'.format(row.id))\nreturn row.id",
    ],
    "T5": [
        "!log.info('sent to %s', row.email)\nreturn row.id",
        "!log.warning(f'{row.name} is late by {row.days} days')\nreturn row.days",
        "if row.days > 30:\n!    log.error(\n        'no answer from %s after %s days',\n        row.phone,\n        row.days,\n    )\nreturn row.days",
    ],
    "T6": [
        "!return round(float(row.amount) * 1.2, 2)",
        "price = row.cells[2]\n!return float(price) > 100",
        "totals = []\nfor each in row.parts:\n    totals.append(\n!        float(\n            each.total\n        )\n    )\nreturn sum(totals)",
    ],
}

ALLOWED = {
    "T1": [
        "!return net.get(\n    url,\n    headers={'x-id': row.id},\n    timeout=20,\n)",
        "!return store.get(url) or store.put(url, row.id)",
        "# net.get(url) was too slow here\n!return net.delete(url)",
    ],
    "T2": [
        "!return datetime.now(timezone.utc).isoformat()",
        "zone = row.zone\n!return datetime.now(tz=zone) - row.since",
        "!return datetime.fromtimestamp(row.stamp, timezone.utc)",
    ],
    "T3": [
        "try:\n    return store.get(row.id)\n!except Exception:\n    log.exception('no %s', row.id)\n    return None",
        "try:\n    return int(row.size)\n!except (TypeError, ValueError):\n    return 0",
        "try:\n    db.commit()\n!except Exception as error:\n    db.rollback()\n    raise RuntimeError(row.id) from error",
    ],
    "T4": [
        "!return db.execute('select * from items where id = ?', (row.id,))",
        "!return db.query(\n    'select id, kind from items '\n    'where kind = ? order by id',\n    (row.kind,),\n)",
        "query = 'select count(*) from items'\n!return db.query(query) + db.query('select 10 % 3')",
        "!return db.fetch(f'items/{row.id}')",
    ],
    "T5": [
        "!log.info('sent to %s', mask(row.email))\nreturn row.id",
        "!log.info('renamed %s', row.id)\nreturn store.put(row.id, row.name)",
        "!log.warning('the email of %s bounced', row.id)\nreturn row.email",
    ],
    "T6": [
        "!return Decimal(row.amount) * 3",
        "amount = int(row.cells[1])\n!return amount * float(row.rate)",
        "!return float(row.weight) / row.price_class",
    ],
}

FILLING = [
    "found = [each for each in row.parts if each.open]\nreturn sorted(found, key=lambda each: each.id)",
    "if not row.parts:\n    return None\nreturn row.parts[0].id",
    "counts = {}\nfor part in row.parts:\n    counts[part.kind] = counts.get(part.kind, 0) + 1\nreturn counts",
    "head, _, tail = url.partition('/')\nreturn head or tail",
    "if url in row.seen:\n    return False\nrow.seen.add(url)\nreturn True",
    "width = max(len(part.kind) for part in row.parts)\nreturn [part.kind.ljust(width) for part in row.parts]",
    "while row.next is not None:\n    row = row.next\nreturn row",
    "return {part.id: part for part in row.parts}",
]
