"""`postern top`: on a terminal it shows what the gate does and gives the terminal back as it was; elsewhere
it writes blocks."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest

from gate import POSTERN, WAIT, postern, until

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


def screen_of(output):
    """The lines that a terminal shows after this output, which moves only as top.c does: to the first
    place, to the next line, wiping rests. Fails at any other control byte."""
    output = re.sub(rb"\x1b\[\?(1049[hl]|25[hl]|7[hl])", b"", output)
    last = output[output.rfind(b"\x1b[H") + 3:] if b"\x1b[H" in output else b""
    if not last.endswith(b"\x1b[J"):
        return None  # a page on its way
    lines = re.split(rb"\r+\n", last[:-3])  # the terminal adds a return of its own
    assert all(line.endswith(b"\x1b[K") for line in lines), lines
    text = [line[:-3].decode() for line in lines]
    assert all(byte.isprintable() for line in text for byte in line), text
    return text


class Top:
    """postern top with a terminal of its own, whose child it leads a session of."""

    def __init__(self, gate, *options, rows=24, columns=80):
        self.output = b""
        self.code = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:  # the child has this terminal as its own
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execv(POSTERN, [POSTERN, "top", "--config", str(gate.config), "--interval", "100ms", *options])
        os.set_blocking(self.master, False)

    def read(self):
        try:
            while True:
                part = os.read(self.master, 65536)
                if part == b"":
                    return
                self.output += part
        except (BlockingIOError, OSError):
            pass

    def screen(self):
        self.read()
        # the last page that is whole
        whole = self.output.rfind(b"\x1b[J")
        return screen_of(self.output[:whole + 3]) if whole >= 0 else None

    def until_shown(self, pattern):
        """Waits for a page with a line that matches, and returns all its lines."""
        def shown():
            lines = self.screen()
            return lines if lines and any(re.search(pattern, line) for line in lines) else None

        return until(shown, f"{pattern} on the screen, which is {self.screen()}")

    def until_wrote(self, mark, times):
        def wrote():
            self.read()
            return self.output.count(mark) >= times

        until(wrote, f"{mark!r} for the {times}. time")

    def send(self, keys):
        os.write(self.master, keys)

    def signal(self, number):
        os.kill(self.pid, number)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.master)[:4]

    def wait(self):
        def ended():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            return pid

        until(ended, "the end")
        self.read()
        return self.code

    def wait_stopped(self):
        def stopped():
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            assert pid == 0 or os.WIFSTOPPED(status), "it ended"
            return pid

        until(stopped, "its stop")

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@pytest.fixture
def admin_gate(make_gate, sandbox, tmp_path):
    """A gate whose configuration says where its admin address is."""
    return make_gate(sandbox, admin=f"unix:{tmp_path}/admin.sock")


@pytest.fixture
def top():
    """top(gate, …): a Top, which is ended with the test."""
    tops = []

    def start(*arguments, **options):
        tops.append(Top(*arguments, **options))
        return tops[-1]

    yield start
    for each in tops:
        each.close()


def test_the_table_shows_what_clients_do(admin_gate, top):
    admin_gate.warm("/v2/profile/9001")
    running = top(admin_gate)
    lines = running.until_shown(r"^local +\S+ +\S+ +\d+% ")
    assert re.match(r"postern \S+, up \d+ s; (since the start|now):", lines[0])
    assert any(re.match(r"copernica: 0/16 under way, 0 queued", line) for line in lines)
    assert any(re.match(r"CLIENT +REQ/MIN +CALL/MIN +HITS +SAVED/MIN +QUEUE/WAIT +REF/MIN$", line) for line in lines)
    running.until_shown(r"^postern .* now: 0 req/min")  # nothing came between two looks

    def busy():
        admin_gate.get("/v2/profile/9001")
        lines = running.screen()
        return lines and any(re.match(r"local +[1-9]\S* +0 +100%", line) for line in lines)

    until(busy, "a rate")
    running.send(b"q")
    assert running.wait() == 0


def test_the_terminal_is_given_back_as_it_was(admin_gate, top):
    for end in ("q", "Q", signal.SIGTERM, signal.SIGINT, signal.SIGHUP, "\x03", "\x1c"):
        running = top(admin_gate)
        before = running.modes()
        running.until_shown("^CLIENT")
        assert running.output.startswith(ENTER)
        assert running.modes() != before
        if isinstance(end, str):
            running.send(end.encode())
        else:
            running.signal(end)
        assert running.wait() == 0, end
        assert running.output.endswith(b"\x1b[?7h\x1b[?25h" + LEAVE)
        assert running.output.count(ENTER) == running.output.count(LEAVE) == 1
        assert running.modes() == before


def test_other_keys_do_nothing(admin_gate, top):
    running = top(admin_gate)
    running.until_shown("^CLIENT")
    running.send(b"xyz\x1b[A\r\n 7")
    shown = running.output.count(b"\x1b[H")
    until(lambda: running.screen() and running.output.count(b"\x1b[H") > shown + 3, "more pages")
    assert b"xyz" not in running.output
    running.send(b"q")
    assert running.wait() == 0


def test_it_stops_and_goes_on_like_any_other_program(admin_gate, top):
    running = top(admin_gate)
    before = running.modes()
    running.until_shown("^CLIENT")
    for round_number, stop in enumerate((lambda: running.send(b"\x1a"),
                                         lambda: running.signal(signal.SIGTSTP)), 1):
        stop()
        running.wait_stopped()
        running.until_wrote(LEAVE, round_number)
        assert running.modes() == before
        shown = running.output.count(b"\x1b[H")
        running.signal(signal.SIGCONT)
        until(lambda: running.screen() and running.output.count(b"\x1b[H") > shown, "another page")
        assert running.output.count(ENTER) > round_number
        assert running.modes() != before
    running.send(b"q")
    assert running.wait() == 0
    assert running.modes() == before


def test_a_page_is_as_large_as_its_terminal(make_gate, raw_upstream, tmp_path, top):
    clients = [{"name": f"client-{i}", "key_sha256": "%064x" % i} for i in range(3)]
    gate = make_gate(raw_upstream, clients=clients, admin=f"unix:{tmp_path}/admin.sock")
    gate.get("/a")
    running = top(gate)
    running.until_shown(r"^\(not identified\)")
    for rows, columns in ((24, 80), (6, 30), (3, 7), (1, 1), (50, 200)):
        running.resize(rows, columns)
        running.signal(signal.SIGWINCH)

        def fits():
            lines = running.screen()
            return lines and len(lines) <= rows and max(map(len, lines)) <= columns and \
                (columns < 80 or any(line.endswith("REF/MIN") for line in lines))

        until(fits, f"{rows} rows of {columns}")
    running.send(b"q")
    assert running.wait() == 0


def test_a_gate_that_goes_away_is_waited_for(admin_gate, top):
    running = top(admin_gate)
    running.until_shown("^CLIENT")
    admin_gate.stop()
    lines = running.until_shown("^no gate answers on its admin address")
    assert any(line.startswith("CLIENT") for line in lines)  # what was known last stays
    admin_gate.start()
    admin_gate.get("/v2/profile/9001")
    running.until_shown("^local ")
    assert not any("no gate answers" in line for line in running.screen())
    running.send(b"q")
    assert running.wait() == 0


def test_where_there_is_no_terminal_blocks_are_written(admin_gate):
    admin_gate.warm("/v2/profile/9001")
    running = subprocess.Popen([POSTERN, "top", "--config", str(admin_gate.config), "--interval", "100ms"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output = b""
        while output.count(b"\n\npostern ") < 3:
            output += os.read(running.stdout.fileno(), 65536)
    finally:
        running.terminate()
    rest, errors = running.communicate(timeout=WAIT)
    assert (running.returncode, errors) == (0, b"")
    assert b"\x1b" not in output + rest
    first = output.decode().split("\n\npostern ")[0]
    assert "since the start:" in first and re.search(r"^local +\S+", first, re.M)


def test_a_dumb_terminal_gets_blocks(admin_gate):
    done = subprocess.run(["timeout", "-s", "TERM", "3", POSTERN, "top", "--config", str(admin_gate.config)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=dict(os.environ, TERM="dumb", ASAN_OPTIONS="detect_leaks=0"), timeout=WAIT)
    assert done.returncode == 124  # it ended by the signal
    assert b"\x1b" not in done.stdout and b"CLIENT" in done.stdout


def test_once_is_one_block(admin_gate):
    admin_gate.warm("/v2/profile/9001")
    done = postern("top", "--once", "--config", admin_gate.config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("CLIENT") == 1 and not done.stdout.endswith("\n\n")
    admin_gate.stop()
    done = postern("top", "--once", "--config", admin_gate.config)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no gate answers on its admin address" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [
    ["--interval", "10ms"], ["--interval", "2h"], ["--interval", "x"], ["--sort", "names"], ["--nonsense"], ["more"]])
def test_wrong_usage_is_told(admin_gate, options):
    done = postern("top", "--config", admin_gate.config, *options)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_without_an_admin_address_there_is_nothing_to_ask(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, start=False, admin=False)
    done = postern("top", "--config", gate.config)
    assert done.returncode == 2 and "no admin address" in done.stderr
    assert postern("top", "--help").returncode == 0


def test_status_prints_clients_and_upstreams(admin_gate):
    admin_gate.warm("/v2/profile/9001")
    told = postern("status", "--config", admin_gate.config).stdout
    assert re.search(r"^upstream copernica: account copernica/\S+, 0 calls under way, 0 wait", told, re.M)
    assert re.search(r"^client local: \d+ requests, \d+ hits, \d+ calls, \d+ saved, 0 refused(, .*)?$", told, re.M)
