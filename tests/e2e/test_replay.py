# SPDX-License-Identifier: Apache-2.0
"""`epochal replay` from outside: small traces whose results a slow, independent computation gives too."""

from __future__ import annotations

import csv
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain.anvil import Anvil
from cli import main as command
from oracle.ground.keccak import keccak256
from scenario.market import oracle_signers
from scenario.replay import _ANVIL
from tests.e2e.naive_replay import Naive, Row, Terms
from tests.project import ROOT

GENESIS = 1_700_000_000
TERMS = Terms(
    GENESIS,
    length=600,
    tick=10,
    first=0,
    after=5,
    price=1_000_003,
    protocol_share_ppm=50_000,
    floor_ppm=500_000,
    csp_share_ppm=700_001,
)
SPANS: dict[str, list[tuple[int, int, str]]] = {
    "always": [(0, 3_000, "up")],
    "comes and goes": [(150, 700, "up"), (700, 905, "down"), (905, 1_800, "up")],
    # Nobody could observe; gaps and new enrolments in one epoch; an outage of two ticks.
    'gaps, "quoted"': [
        *((0, 300, "unknown"), (300, 420, "up"), (500, 611, "up"), (611, 625, "down"), (625, 900, "up")),
        *((1_250, 1_300, "down"), (1_310, 1_400, "up"), (1_410, 1_700, "down"), (1_750, 2_500, "up")),
    ],
    "never": [(0, 3_000, "down")],
    # Nothing is aligned with the ticks.
    "ödd ☃ $": [
        (37, 595, "up"),
        (595, 601, "down"),
        (601, 1_203, "up"),
        (1_333, 2_405, "unknown"),
        (2_405, 3_000, "up"),
    ],
}
ROWS: list[Row] = [
    (node, GENESIS + start, GENESIS + end, state) for node, spans in SPANS.items() for start, end, state in spans
]
CSVS = ("uptime.csv", "settlement.csv", "payouts.csv")
COMMAND = [sys.executable, "-m", "cli.main", "replay"]
# As `epochal replay` sees it: no variable of the shell changes anything.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def write_trace(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("node", "start", "end", "state"), *rows])
    return path


def options(terms: Terms) -> list[str]:
    """The options of these terms, with a policy file's text to come."""
    return [
        *("--genesis", str(terms.genesis), "--epoch-length", str(terms.length), "--tick", str(terms.tick)),
        *("--price", str(terms.price), "--protocol-share-ppm", str(terms.protocol_share_ppm), "--appeal-epochs", "1"),
    ]


def write_policy(path: Path, terms: Terms) -> Path:
    keys = ("target_ppm", "floor_ppm", "window_epochs", "min_observed_seconds", "csp_share_ppm")
    path.write_text(json.dumps({key: getattr(terms, key) for key in keys}), encoding="utf-8")
    return path


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


@dataclass(frozen=True)
class Result:
    """What a replay left."""

    out: Path
    done: subprocess.CompletedProcess[str]
    terms: Terms

    def bytes_of(self, name: str) -> bytes:
        return (self.out / name).read_bytes()

    @property
    def csvs(self) -> dict[str, bytes]:
        return {name: self.bytes_of(name) for name in CSVS}

    @property
    def reports(self) -> dict[str, Any]:
        found = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in self.out.glob("reports/*.json")}
        return dict(sorted(found.items()))

    @property
    def roots(self) -> dict[str, str]:
        return {name: report["report"]["root"] for name, report in self.reports.items()}

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.bytes_of("summary.json"))


class Bench:
    """Runs replays in a folder, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trace = write_trace(folder / "trace.csv", ROWS)

    def line(self, out: str, terms: Terms = TERMS, *more: str, trace: Path | None = None) -> list[str]:
        policy = write_policy(self.folder / f"{out}.json", terms)
        where = ["--out", str(self.folder / out), "--policy", str(policy)]
        return [*COMMAND, str(trace or self.trace), *where, *options(terms), *more]

    def run(self, out: str, terms: Terms = TERMS, *more: str, trace: Path | None = None) -> Result:
        done = self.complete(self.line(out, terms, *more, trace=trace))
        assert done.returncode == 0, done.stderr
        return Result(self.folder / out, done, terms)

    def complete(self, line: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**ENVIRONMENT, **environment}
        return subprocess.run(line, capture_output=True, text=True, encoding="utf-8", env=env, check=False, timeout=200)

    @contextmanager
    def started(self, line: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A replay under way; it and its anvil are gone afterwards."""
        process = subprocess.Popen(line, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, to a replay and to the anvil that outlives it."""
    children = children_of(process.pid)
    process.kill()
    process.wait()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def children_of(pid: int) -> set[int]:
    with suppress(OSError):
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return set()


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"the replay ended before {path} was there"
        assert time.monotonic() < deadline, f"{path} isn't there after {seconds} s"
        time.sleep(0.005)


BINARY = TERMS.but(target_ppm=900_000, floor_ppm=900_000)
MONTHLY = TERMS.but(window_epochs=3)
MONTHLY_BINARY = BINARY.but(window_epochs=3, target_ppm=800_000, floor_ppm=800_000, min_observed_seconds=200)
RUNS: dict[str, tuple[Terms, tuple[str, ...]]] = {
    "plain": (TERMS, ()),
    "again": (TERMS, ()),
    "every third": (TERMS, ("--settle-every", "3")),
    "once, seven oracles": (TERMS, ("--settle-every", "1000", "--oracles", "7")),
    "binary": (BINARY, ()),
    "windows": (MONTHLY, ("--settle-every", "2")),
    "binary windows": (MONTHLY_BINARY, ()),
    "slice": (TERMS.but(first=1, after=4), ("--epochs", "1:4")),
    "slice with windows": (MONTHLY.but(first=2, after=5), ("--epochs", "2:")),
    "genesis inside": (TERMS.but(genesis=GENESIS + 700, after=4), ()),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("replay"))


LONG = ("binary", "windows", "slice", "genesis inside")
"""What they have of their own the others have too, together with something else."""
each_run = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in RUNS]
)


class Results:
    """The runs of RUNS, each when it is first asked for."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._done: dict[str, Result] = {}

    def __getitem__(self, name: str) -> Result:
        if name not in self._done:
            terms, more = RUNS[name]
            self._done[name] = self._bench.run(name, terms, *more)
        return self._done[name]


@pytest.fixture(scope="module")
def results(bench: Bench) -> Results:
    return Results(bench)


@pytest.fixture(scope="module")
def plain(results: Results) -> Result:
    return results["plain"]


# What the seconds and the money come to.


@each_run
def test_uptime__any_options__equals_the_count_second_by_second(name: str, results: Results) -> None:
    one = results[name]
    assert read(one.out / "uptime.csv") == Naive(ROWS, one.terms).uptime


@each_run
def test_settlement__any_policy__equals_the_naive_scoring(name: str, results: Results) -> None:
    one = results[name]
    assert read(one.out / "settlement.csv") == Naive(ROWS, one.terms).settlement


@each_run
def test_payouts__any_policy__equal_the_naive_amounts(name: str, results: Results) -> None:
    one = results[name]
    assert read(one.out / "payouts.csv") == Naive(ROWS, one.terms).payouts


def test_runs__policies__tell_apart() -> None:
    """The trace is rich enough: what the policies ask for shows."""
    amounts = [Naive(ROWS, terms).payouts for terms in (TERMS, BINARY, MONTHLY, MONTHLY_BINARY)]
    assert all(amounts.count(one) == 1 for one in amounts)


@each_run
def test_summary__any_options__conserves_every_unit(name: str, results: Results) -> None:
    one = results[name]
    summary, rows = one.summary, read(one.out / "payouts.csv")
    deposits = Naive(ROWS, one.terms).deposit
    assert summary["deposits"] == deposits
    assert deposits == sum(summary[part] for part in ("paid", "held", "refunded", "burned", "remaining"))
    paid, _, refunded, burned = (sum(int(row[column]) for row in rows) for column in range(1, 5))
    assert (summary["paid"], summary["refunded"], summary["burned"]) == (paid, refunded, burned)
    assert (summary["held"], summary["remaining"]) == (0, 0)
    assert burned > 0
    assert (summary["nodes"], summary["epochs"]) == (len(rows) - 1, one.terms.after - one.terms.first)


def test_settlement__unknown_spans__are_never_withheld(plain: Result) -> None:
    naive = Naive(ROWS, TERMS)
    unmeasured = 0
    for row in read(plain.out / "settlement.csv"):
        node, epoch, withheld = row[3], int(row[4]), int(row[6])
        seconds = range(naive.start(epoch), naive.start(epoch + 1))
        states = [naive.states[node].get(second) for second in seconds]
        assert withheld <= len(states) - states.count("unknown") - states.count(None)
        if "unknown" in states and "down" not in states:
            assert withheld == 0
        unmeasured += int(row[7])
    assert unmeasured > 1_300


def test_cadence_and_committee__any__give_the_same_money(results: Results) -> None:
    for name in ("again", "every third", "once, seven oracles"):
        assert results[name].csvs == results["plain"].csvs, name


def test_replay__second_run__has_the_same_roots(results: Results) -> None:
    assert results["again"].roots == results["plain"].roots
    assert list(results["plain"].roots) == [f"{epoch}.json" for epoch in range(5)]


def test_files__of_a_finished_replay__are_those_that_the_document_lists(plain: Result) -> None:
    files = {path.relative_to(plain.out).as_posix() for path in plain.out.rglob("*") if path.is_file()}
    pictures = {"uptime.png", "money.png"}
    by_epoch = {f"{folder}/{epoch}.json" for folder in ("reports", "evidence") for epoch in range(5)}
    assert files == {*CSVS, *pictures, "summary.json", *by_epoch}
    for name in pictures:
        assert plain.bytes_of(name).startswith(b"\x89PNG")


def test_evidence__of_every_report__hashes_to_what_was_signed(plain: Result) -> None:
    for epoch in range(5):
        report = json.loads(plain.bytes_of(f"reports/{epoch}.json"))["report"]
        assert report["evidence"] == "0x" + keccak256(plain.bytes_of(f"evidence/{epoch}.json")).hex()


def test_output__no_terminal__is_plain_lines_and_a_table(plain: Result) -> None:
    assert "epochs 5/5" in plain.done.stderr
    assert "\x1b" not in plain.done.stderr + plain.done.stdout
    assert "deposits" in plain.done.stdout


# Reports, with the npm packages as the other side.


@pytest.fixture(scope="module")
def confirmed(results: Results) -> dict[str, dict[str, Any]]:
    found = {}
    for name in ("plain", "once, seven oracles"):
        script = str(ROOT / "tests" / "e2e" / "confirm_reports.mjs")
        line = ["node", script, str(results[name].out / "reports")]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["plain", "once, seven oracles"])
def test_reports__read_by_the_npm_packages__have_their_root_leaves_and_signers(
    name: str, results: Results, confirmed: dict[str, dict[str, Any]]
) -> None:
    size = 7 if "seven" in name else 4
    committee = sorted((one.address for one in oracle_signers(size)), key=lambda address: int(address, 16))
    reports = results[name].reports
    assert sorted(confirmed[name]) == sorted(reports)
    for file, found in confirmed[name].items():
        report = reports[file]
        assert found["root"] == report["report"]["root"]
        assert found["proven"] is True
        assert found["signers"] == [one for bit, one in enumerate(committee) if report["signers"] >> bit & 1]
        assert len(found["signers"]) > 2 * size / 3
    assert len({found["digest"] for found in confirmed[name].values()}) == len(reports)


def test_reports__each__names_the_one_before_as_its_parent(plain: Result) -> None:
    parent = "0x" + "00" * 32
    for epoch in range(5):
        report = plain.reports[f"{epoch}.json"]["report"]
        assert (report["epoch"], report["parent"]) == (epoch, parent)
        parent = report["root"]


def test_reports__leaves_of_the_last__are_the_sums_of_settlement_rows(results: Results) -> None:
    one = results["once, seven oracles"]  # nothing is settled before the end, so no leaf has left the tree
    sums: dict[str, list[int]] = {}
    for _, _, assignment, _, _, earned, withheld, _ in read(one.out / "settlement.csv"):
        sums.setdefault(assignment, [0, 0])
        sums[assignment][0] += int(earned)
        sums[assignment][1] += int(earned) + int(withheld)
    leaves = [value["value"] for value in one.reports["4.json"]["tree"]["values"]]
    assert leaves == [["1", key, *map(str, seconds)] for key, seconds in sorted(sums.items(), key=lambda i: int(i[0]))]


# Stopping and going on.

# Twenty epochs, so that there is time to stop it in the middle.
LONG = TERMS.but(length=150, after=20)


@pytest.fixture(scope="module")
def uninterrupted(bench: Bench) -> Result:
    return bench.run("uninterrupted", LONG)


def test_replay__killed_interrupted_and_killed_again__comes_to_the_same(bench: Bench, uninterrupted: Result) -> None:
    line, out = bench.line("stopped", LONG), bench.folder / "stopped"
    with bench.started(line) as process:
        wait_for(out / "reports" / "1.json", process)
        kill(process)
        assert process.returncode == -signal.SIGKILL
    assert not (out / "summary.json").exists()
    assert (out / ".replay" / "checkpoint.json").exists()

    with bench.started(line) as process:
        wait_for(out / "reports" / "5.json", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == command.EXIT_INTERRUPTED
        assert not children_of(process.pid)
    stands = json.loads((out / ".replay" / "checkpoint.json").read_text())
    assert 6 <= stands["next_epoch"] < 20

    other = bench.complete(bench.line("stopped", LONG.but(price=5)))
    assert_refused(other.returncode, other.stderr, "price 1000003, not 5")
    assert json.loads((out / ".replay" / "checkpoint.json").read_text()) == stands

    write_policy(bench.folder / "stopped.json", LONG)
    with bench.started(line) as process:
        wait_for(out / "reports" / f"{stands['next_epoch'] + 2}.json", process)
        kill(process)

    last = bench.run("stopped", LONG)
    assert f"going on with epoch {stands['next_epoch']}" in last.done.stderr
    assert last.csvs == uninterrupted.csvs
    assert last.roots == uninterrupted.roots
    parts = ("deposits", "paid", "held", "refunded", "burned", "remaining")
    assert [last.summary[part] for part in parts] == [uninterrupted.summary[part] for part in parts]
    assert not (out / ".replay").exists()


@pytest.mark.long
def test_replay__of_an_rpc__interrupted_goes_on_with_the_same_chain(bench: Bench, uninterrupted: Result) -> None:
    with Anvil(*_ANVIL, timestamp=GENESIS - 3_600) as anvil:
        line, out = bench.line("rpc", LONG, "--rpc", anvil.url), bench.folder / "rpc"
        with bench.started(line) as process:
            wait_for(out / "reports" / "4.json", process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == command.EXIT_INTERRUPTED
        last = bench.run("rpc", LONG, "--rpc", anvil.url)
        assert "going on with epoch" in last.done.stderr
        assert last.csvs == uninterrupted.csvs
        # The chain's clock is past this trace now.
        late = bench.complete(bench.line("late", LONG, "--rpc", anvil.url))
        assert_refused(late.returncode, late.stderr, "its clock is at")
        assert not (bench.folder / "late").exists()


def test_replay__of_an_anvil_started_as_the_document_says__comes_to_the_same(bench: Bench, plain: Result) -> None:
    with Anvil("--slots-in-an-epoch", "1", timestamp=GENESIS - 3_600) as anvil:
        assert bench.run("as told", TERMS, "--rpc", anvil.url).csvs == plain.csvs


def test_replay__complete_already__is_refused_and_nothing_changes(bench: Bench, plain: Result) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in plain.out.rglob("*") if path.is_file()}
    for terms, told in ((TERMS, "is complete"), (TERMS.but(price=7), "price 1000003, not 7")):
        line = bench.line("plain", terms)
        done = bench.complete(line)
        assert_refused(done.returncode, done.stderr, told)
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in plain.out.rglob("*") if path.is_file()}
    assert before == after


def test_replay__locale_without_unicode__writes_the_same(bench: Bench, plain: Result) -> None:
    line = bench.line("ascii", TERMS)
    done = bench.complete(line, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", TZ="Asia/Kathmandu")
    assert done.returncode == 0, done.stderr
    assert Result(bench.folder / "ascii", done, TERMS).csvs == plain.csvs


# What can't work.


def assert_refused(status: int, stderr: str, told: str) -> None:
    """Exit status 2, and one line that tells `told`."""
    assert status == command.EXIT_USAGE, stderr
    assert stderr.startswith("epochal: ")
    assert stderr.count("\n") == 1 == len(stderr.splitlines()), stderr
    assert told in stderr


Refused = Callable[..., None]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs the command line in this process: it must be refused with one line, and leave nothing."""

    def check(told: str, *more: str, trace: Path | None = None, out: Path | None = None) -> None:
        where = out or tmp_path / "out"
        existed = where.exists()
        path = trace or write_trace(tmp_path / "trace.csv", ROWS)
        monkeypatch.setattr(sys, "argv", ["epochal", "replay", str(path), "--out", str(where), *more])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert_refused(int(ended.value.code or 0), capfd.readouterr().err, told)
        assert where.exists() == existed

    return check


LENGTH = ("--epoch-length", "600")


@pytest.mark.parametrize(
    ("told", "more"),
    [
        ("--tick 7: it doesn't divide", (*LENGTH, "--tick", "7")),
        ("--tick 1200: it doesn't divide", (*LENGTH, "--tick", "1200")),
        ("'--tick': 0 is not in the range", (*LENGTH, "--tick", "0")),
        ("'--tick': 'ten' is not a valid", (*LENGTH, "--tick", "ten")),
        ("more than 10000000 of them", ("--epoch-length", "2000000000", "--tick", "1")),
        ("--epoch-length 3: give at least 4", ("--epoch-length", "3", "--tick", "1")),
        ("'5-9' is no range of epochs", (*LENGTH, "--epochs", "5-9")),
        ("is no range of epochs", (*LENGTH, "--epochs", "0:" + "9" * 5_000)),
        ("--epochs 3:3: the trace has epochs 0:5", (*LENGTH, "--epochs", "3:3")),
        ("--epochs 0:6: the trace has epochs 0:5", (*LENGTH, "--epochs", "0:6")),
        ("--epochs 9:5: the trace has epochs 0:5", (*LENGTH, "--epochs", "9:")),
        ("--genesis 1000: a chain has to start an hour before", (*LENGTH, "--genesis", "1000")),
        ("the trace ends at 1700003000", (*LENGTH, "--genesis", "1700003000")),
        ("'--genesis': -5 is not in the range", (*LENGTH, "--genesis", "-5")),
        ("'--oracles': 3 is not in the range", (*LENGTH, "--oracles", "3")),
        ("'--price': 0 is not in the range", (*LENGTH, "--price", "0")),
        ("doesn't fit 96 bits", (*LENGTH, "--price", str(2**95))),
        ("'--settle-every': 0 is not in the range", (*LENGTH, "--settle-every", "0")),
        ("--policy nowhere.json: No such file", (*LENGTH, "--policy", "nowhere.json")),
        ("No such option: --prise", (*LENGTH, "--prise", "3")),
        ("http://127.0.0.1:9 doesn't answer", (*LENGTH, "--rpc", "http://127.0.0.1:9")),
        ("it is no http:// address) doesn't answer", (*LENGTH, "--rpc", "anvil")),
    ],
)
def test_option__that_can_t_work__is_refused_in_one_line(refused: Refused, told: str, more: tuple[str, ...]) -> None:
    refused(told, *more)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"target": 980000}', "the key is unknown"),
        ('{"target_ppm": 980000.0}', "use a whole number"),
        ('{"target_ppm": "980000"}', "use a whole number"),
        ('{"target_ppm": true}', "use a whole number"),
        ('{"target_ppm": 1000001}', "from 1 to 1000000"),
        ('{"target_ppm": 1, "target_ppm": 2}', "given twice"),
        ('{"target_ppm": 500000, "floor_ppm": 600000}', "at most target_ppm"),
        ('{"window_epochs": 0}', "from 1 to 65535"),
        ('{"evidence": "probe"}', "a trace tells of nodes"),
        ("[]", "not an object"),
        ("980000", "not an object"),
        ('{"target_ppm": 1', "not readable as JSON"),
        ("", "not readable as JSON"),
        ('{"target_ppm": NaN}', "use a whole number"),
        ("\udcff", "isn't UTF-8"),
    ],
)
def test_policy__that_can_t_work__is_refused_in_one_line(
    refused: Refused, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(told, *LENGTH, "--policy", str(path))


HEADER = "node,start,end,state\n"
BAD_TRACES = {
    "overlap": (HEADER + "a,1700000000,1700000100,up\na,1700000099,1700000200,up\n", ":3: ", "overlaps line 2"),
    "unsorted": (HEADER + "a,1700000500,1700000600,up\na,1700000000,1700000100,up\n", ":3: ", "sort the rows"),
    "unknown state": (HEADER + "a,1700000000,1700000100,idle\n", ":2: ", "write up, down or unknown"),
    "end before start": (HEADER + "a,1700000100,1700000000,up\n", ":2: ", "is not after start"),
    "text in a number": (HEADER + "a,1700000000,soon,up\n", ":2: ", "not a whole number"),
    "decimal": (HEADER + "a,1700000000.5,1700000100,up\n", ":2: ", "round it"),
    "milliseconds": (HEADER + "a,1700000000000,1700000100000,up\n", ":2: ", "not milliseconds"),
    "columns": (HEADER + "a,1700000000,1700000100\n", ":2: ", "3 columns"),
    "header": ("node;start;end;state\n", ":1: ", "the first line must be"),
    "empty": ("", ": ", "the file is empty"),
    "header alone": (HEADER, ": ", "no rows"),
}


@pytest.mark.parametrize("name", BAD_TRACES)
def test_trace__that_is_none__is_refused_with_file_line_and_cure(refused: Refused, tmp_path: Path, name: str) -> None:
    text, line, told = BAD_TRACES[name]
    trace = tmp_path / "bad.csv"
    trace.write_text(text)
    refused(told, *LENGTH, trace=trace)
    refused(f"{trace}{line}", *LENGTH, trace=trace)


def test_trace__missing_cut_off_or_misnamed__is_refused_in_one_line(refused: Refused, tmp_path: Path) -> None:
    refused("no such file", *LENGTH, trace=tmp_path / "nowhere.csv")
    whole = lzma.compress((HEADER + "a,1700000000,1700000100,up\n" * 1).encode())
    cut = tmp_path / "cut.csv.xz"
    cut.write_bytes(whole[: len(whole) // 2])
    refused("cut off or corrupt", *LENGTH, trace=cut)
    plain = tmp_path / "plain.csv"
    plain.write_bytes(whole)
    refused("against its name", *LENGTH, trace=plain)
    refused("is a directory", *LENGTH, trace=tmp_path)


def test_trace__beyond_the_contracts_clock__is_refused_in_one_line(refused: Refused, tmp_path: Path) -> None:
    far = write_trace(tmp_path / "far.csv", [("a", 2**40 - 1_000, 2**40, "up")])
    refused("the contracts' clock ends at", *LENGTH, trace=far)


def test_out__that_can_t_be__is_refused_in_one_line(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    refused("is a file", *LENGTH, out=file)
    refused("give a folder that can be made", *LENGTH, out=file / "below")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear")
    refused("holds other files", *LENGTH, out=foreign)
    (foreign / "summary.json").write_text("{}")
    refused("was not written by a replay", *LENGTH, out=foreign)
    assert sorted(path.name for path in foreign.iterdir()) == ["letter.txt", "summary.json"]


def test_program__bad_option__is_refused_in_one_line(bench: Bench) -> None:
    done = bench.complete([*COMMAND, str(bench.trace), "--out", str(bench.folder / "never"), *LENGTH, "--tick", "7"])
    assert_refused(done.returncode, done.stderr, "--tick 7: it doesn't divide")
    assert done.stdout == ""
    assert not (bench.folder / "never").exists()


# Real data.


@pytest.fixture
def hoodi() -> Path:
    traces = Path(os.environ.get("EPOCHAL_TRACES") or ROOT.parent / "shared" / "traces")
    if not (traces / "rocketpool-hoodi").is_dir():
        pytest.skip("no rocketpool-hoodi trace: set EPOCHAL_TRACES to the folder that holds it")
    return traces / "rocketpool-hoodi"


def test_hoodi__first_twenty_epochs__equal_the_truth(hoodi: Path, bench: Bench) -> None:
    terms = TERMS.but(genesis=1_770_508_824, length=86_400, tick=384, after=20)
    one = bench.run("hoodi", terms, "--epochs", "0:20", trace=hoodi / "trace.csv.xz")
    found = {(node, int(epoch)): (up, observed) for node, epoch, up, observed in read(one.out / "uptime.csv")}
    with lzma.open(hoodi / "truth.csv.xz", "rt", encoding="utf-8", newline="") as file:
        truth = {(row[0], int(row[1])): (row[2], row[3]) for row in list(csv.reader(file))[1:] if int(row[1]) < 20}
    assert len(truth) > 500
    assert {key: found[key] for key in truth} == truth
    with lzma.open(hoodi / "trace.csv.xz", "rt", encoding="utf-8", newline="") as file:
        unknown = [row for row in csv.reader(file) if row[3] == "unknown"]
    for _, _, _, node, epoch, _, withheld, _ in read(one.out / "settlement.csv"):
        begin = terms.genesis + int(epoch) * terms.length
        if any(row[0] == node and int(row[1]) <= begin and int(row[2]) >= begin + terms.length for row in unknown):
            assert withheld == "0"
    assert one.summary["deposits"] == sum(
        one.summary[part] for part in ("paid", "held", "refunded", "burned", "remaining")
    )
