"""Gates in the databases of a run: where they are closed it is held still. Nothing in `etl` knows of them.

- A run passes a *point* with every COPY (of moneylines every few rows too), every statement that writes to schema
  `audit` and every DDL command: some hundred of them, in the same order each time. It can be held at the n-th.
- It can be held in the middle of a COPY, and of a read, of the line `ROW`, which is in its second batch.
- The load can refuse that line, for good or a few times, with a SQLSTATE of the test's choice.
"""

import multiprocessing
import sys
import threading
import time
from contextlib import contextmanager
from itertools import count

from etl import database
from etl.errors import DatabaseUnreachable
from schemas import tables_of
from tests import runs
from tests.servers import execute

_NUMBERS = count(1)
PATIENCE_S = 60
BATCH_ROWS = 160
ROW = 200
RAW = tables_of("raw_data")
POINT, COPY, READ = 7, 8, 9  # advisory locks: who comes to a gate asks for a share of its lock
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.gates", "etl.runner"])

_SQL = f"""
create schema gate;
create sequence gate.passed;
create table gate.stop (point bigint);
create sequence gate.refused;
create table gate.refusal (state text, times bigint);
create function gate.wait(lock int) returns void language plpgsql as $$
begin
    perform set_config('lock_timeout', '0', true);  -- a publication would not wait here for long
    perform pg_advisory_lock_shared(lock);
    perform pg_advisory_unlock_shared(lock);
end $$;
create function gate.pass() returns void language plpgsql as $$
begin
    if nextval('gate.passed') = (select point from gate.stop) then
        perform gate.wait({POINT});
    end if;
end $$;
create function gate.by_row() returns trigger language plpgsql as $$
declare refusal record;
begin
    perform gate.pass();
    if new.id = {ROW} then
        for refusal in select * from gate.refusal loop
            if nextval('gate.refused') <= refusal.times then
                raise exception 'line % is refused', new.id using errcode = refusal.state;
            end if;
        end loop;
        perform gate.wait({COPY});
    end if;
    return new;
end $$;
create function gate.reading(line bigint) returns boolean language plpgsql as $$
begin
    -- Only where batches are read: the coordinator's session has a name, and its queries have other columns.
    if line = {ROW} and current_setting('application_name') = '' and current_query() like '%home_ml%' then
        perform pg_advisory_lock_shared({READ});
        perform pg_advisory_unlock_shared({READ});
    end if;
    return true;
end $$;
create function gate.by_statement() returns trigger language plpgsql as
    $$ begin perform gate.pass(); return null; end $$;
create function gate.by_ddl() returns event_trigger language plpgsql as
    $$ begin perform gate.pass(); end $$;
create function gate.by_load() returns event_trigger language plpgsql as $$
declare made record;
begin
    for made in select * from pg_event_trigger_ddl_commands() where schema_name = 'loads' and object_type = 'table' loop
        execute format(
            'create trigger gate before insert on %s for each statement execute function gate.by_statement()',
            made.object_identity);
        if made.object_identity like '%moneylines_raw%' then
            execute format(
                'create trigger gate_row before insert on %s for each row when (new.id %% 25 = 0) '
                'execute function gate.by_row()', made.object_identity);
        end if;
    end loop;
end $$;
create event trigger gate_ddl on ddl_command_start
    when tag in ('CREATE TABLE', 'CREATE INDEX', 'ALTER TABLE') execute function gate.by_ddl();
create event trigger gate_load on ddl_command_end when tag in ('CREATE TABLE') execute function gate.by_load();
"""
_AUDIT = ("runs", "loads", "batches", "attempts", "checks", "publications")


_LINES = "curated.betting_lines"
_SLOW_LINES = (
    f"alter table {_LINES}_unified rename to betting_lines_base",
    f"create view {_LINES}_unified as select * from {_LINES}_base where gate.reading(id)",
)


def prepare(url, truth_dir):
    """Make a database for faults: a sample, a publication of its raw zone, a legacy that has changed since, gates."""
    runs.sample(url, truth_dir, scale=0.03)
    runs.published(url, url, phases="raw")
    execute(url, "delete from curated.betting_lines_unified where id = 1")
    install(url)


def install(url):
    """Put the gates into a database that is legacy and target at once and holds a publication already."""
    *functions, by_ddl, by_load = _split(_SQL)
    watched = [
        f"create trigger gate before insert or update or delete on audit.{name} for each statement "
        "execute function gate.by_statement()"
        for name in _AUDIT
    ]
    execute(url, *functions, *watched, *_SLOW_LINES, by_ddl, by_load)


def _split(sql):
    """The statements of a script whose bodies are quoted by dollars."""
    found, current, is_body = [], "", False
    for line in sql.strip().splitlines():
        current += line + "\n"
        is_body ^= line.count("$$") % 2 == 1
        if line.endswith(";") and not is_body:
            found.append(current)
            current = ""
    return found


@contextmanager
def copied(server, template):
    """A copy of a database that a test may change."""
    name = f"{template}_{next(_NUMBERS)}"
    execute(server.url("postgres"), f"create database {name} template {template}")
    try:
        # NOTE: beside a session that stays open, every further one takes a tenth of the time.
        with database.session(server.url(name), autocommit=True, name="watch"):
            yield server.url(name)
    finally:
        execute(server.url("postgres"), f"drop database {name} with (force)")


def start(url, *, legacy=None, phases="raw", retry=None):
    """A run in a process of its own, forked from one that has everything imported."""
    process = _FORKS.Process(target=_run, args=(legacy or url, url, phases, retry))
    process.start()
    return process


def _run(legacy, target, phases, retry):
    changes = {} if retry is None else {"retry": retry}
    outcome = runs.run(legacy, target, phases=phases, batch_rows=BATCH_ROWS, workers=1, **changes)
    sys.exit(outcome.error.exit_code if outcome.error else 0)


def refuse(url, state, times):
    """The load refuses the line `ROW` that many times."""
    forget = ["delete from gate.refusal", "alter sequence gate.refused restart"]
    with database.session(url, autocommit=True, name="watch") as connection:
        given = f"insert into gate.refusal values ({database.literal(state)}, {times})"
        database.script(connection, [*forget, given])


@contextmanager
def closed(url, lock=POINT):
    """While it lasts, whoever comes to the gate waits there."""
    with database.session(url, autocommit=True, name="gate") as holder:
        database.execute(holder, f"select pg_advisory_lock({lock})")
        yield


def until(url, question):
    """Wait until the answer is true."""
    with database.session(url, autocommit=True, name="watch") as connection:
        _poll(lambda: database.scalar(connection, question), question)


def until_waiting(url, is_alive, lock=POINT):
    """Wait until the run stands at the gate; return a server process that does."""
    waits = (
        f"select pid from pg_locks where locktype = 'advisory' and objid = {lock} and objsubid = 1 and not granted "
        "and database = (select oid from pg_database where datname = current_database())"
    )
    with database.session(url, autocommit=True, name="watch") as connection:

        def look():
            assert is_alive(), "the run has ended"
            return database.scalar(connection, waits)

        return _poll(look, waits)


def _poll(look, question):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, question
        time.sleep(0.02)
    return found


def stop_at(url, point):
    """Hold the next run at its n-th point while the gate is closed."""
    forget = ["delete from gate.stop", "alter sequence gate.passed restart"]
    with database.session(url, autocommit=True, name="watch") as connection:
        database.script(connection, [*forget, f"insert into gate.stop values ({point})"])


@contextmanager
def watched(url):
    """Poll all that readers see of the raw zone until the end; gives the set of what was seen."""
    seen, over, look = set(), threading.Event(), _looking_at()

    def poll():
        while not over.is_set():
            try:
                with database.session(url, autocommit=True, name="reader") as reader:
                    while not over.wait(0.03):
                        seen.add(database.rows(reader, look)[0])
            except DatabaseUnreachable:
                over.wait(0.1)  # the server is restarting

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def shown(url):
    """What :func:`watched` sees now."""
    return runs.rows(url, _looking_at())[0]


def content(url, tables=RAW):
    """A hash of all that readers see, table by table, without what belongs to the load."""
    left_out = f"{database.literal(list(runs.OF_THE_LOAD))}::text[]"
    parts = ", ".join(
        f"(select md5(string_agg(r, ' ' order by r)) from {table.full_name} t, lateral "
        f'(select (to_jsonb(t) - {left_out})::text collate "C") x(r))'
        for table in tables
    )
    return runs.rows(url, f"select {parts}")[0]


def _looking_at():
    parts = ", ".join(
        f"(select count(*) from {name}), (select string_agg(distinct load_id::text, ',') from {name})"
        for name in (table.full_name for table in RAW)
    )
    return f"select {parts}"
