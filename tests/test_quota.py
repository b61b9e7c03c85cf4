"""The request budget: windows, closures, sharing, and a clock that isn't trusted."""

import heapq
import random
import threading

import pytest

from crmbook.errors import ConfigError, RateLimited
from crmbook.vendors.quota import WINDOWS_S, Quota, Refusals
from crmbook.vendors.quota_headers import retry_after_s

START = 1_800_000_000.0


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self, now=START):
        self.now = now
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, wait_s):
        self.slept.append(wait_s)
        self.now += wait_s


def budget(clock, path=None, **limits):
    return Quota(path, "crm.example", limits, clock=clock, sleep=clock.sleep)


def send(quota):
    quota.answered(quota.acquire().call)


def spend(quota, clock, calls):
    """When each of *calls* requests left, in seconds after the start; each is answered at once."""
    moments = []
    for _ in range(calls):
        send(quota)
        moments.append(round(clock.now - START, 3))
    return moments


def test_an_hour_may_be_spent_at_once_and_the_next_call_waits_for_the_hour():
    """Nothing is paced below the window."""
    clock = Clock()
    moments = spend(budget(clock, hour=1000), clock, 1001)
    assert (moments[999], moments[1000]) == (0.0, 3600.0)


def test_every_window_holds_at_the_same_time():
    """No second, minute or hour ever holds more requests than its limit."""
    clock = Clock()
    moments = spend(budget(clock, second=2, minute=10, hour=25), clock, 60)
    for span_s, limit in ((1, 2), (60, 10), (3600, 25)):
        assert max(sum(t <= u < t + span_s for u in moments) for t in moments) == limit


def test_a_budget_is_spent_fully():
    """The 26th request leaves the moment the first falls out of the hour."""
    clock = Clock()
    assert spend(budget(clock, minute=10, hour=25), clock, 26)[-1] == 3600.0


def test_without_limits_nothing_waits():
    """An unknown quota is learned from 429s, not guessed."""
    clock = Clock()
    spend(budget(clock), clock, 500)
    assert clock.slept == []


def test_a_wait_longer_than_allowed_is_an_error_that_says_when_and_counts_nothing():
    """Exit 5 with the time of resumption."""
    clock = Clock()
    quota = budget(clock, hour=1)
    send(quota)
    with pytest.raises(RateLimited) as caught:
        quota.acquire(max_wait_s=60)
    assert caught.value.retry_after_s == 3600.0
    assert str(caught.value) == (
        "quota crm.example: quota spent; the hour's 1 requests are spent;"
        " free again at 2027-01-15 09:00:00 UTC, run again then to resume"
    )
    assert quota.left() == {"hour": 0}


def test_a_request_counts_from_its_answer_on():
    """The vendor counted it somewhere between leaving and being answered: the latest moment is the safe one."""
    clock = Clock()
    quota = budget(clock, minute=1)
    leave = quota.acquire()
    clock.now += 4
    quota.observe(200, {}, leave.call)
    send(quota)
    assert clock.now - START == 64.0


def test_a_request_nobody_reports_counts_as_if_it_were_still_under_way():
    """Its process was killed: fifteen seconds later it has arrived, or never will."""
    clock = Clock()
    quota = budget(clock, minute=1)
    quota.acquire()
    send(quota)
    assert clock.now - START == 75.0


class Server:
    """A vendor that counts requests as they arrive, in windows that begin with the first after the last one ended."""

    def __init__(self, limit, span_s):
        self.limit, self.span_s, self.opened, self.count, self.refused = limit, span_s, float("-inf"), 0, 0

    def arrives(self, moment):
        if moment - self.opened >= self.span_s:
            self.opened, self.count = moment, 0
        self.count += 1
        self.refused += self.count > self.limit


@pytest.mark.parametrize("seed", range(5))
def test_no_window_is_ever_overspent_however_late_requests_arrive(seed):
    """Twelve requests under way at once, each up to 4 s late and 4 s in the answering: none refused, 95 % used."""
    luck = random.Random(seed)
    refused, used = crowd(("hour", 100), askers=12, requests=600, way_s=lambda _number: luck.uniform(0, 4))
    assert (refused, used >= 0.95) == (0, True)


def test_a_far_vendors_second_is_used_to_95_percent():
    """100 ms to the answer, five a second: the way is not waited for once it is known."""
    refused, used = crowd(("second", 5), askers=8, requests=2000, way_s=lambda _number: 0.05)
    assert (refused, used >= 0.95) == (0, True)


def test_slow_first_answers_tell_nothing_about_the_way():
    """Connections are opened with the first requests; what comes after them is faster, and nothing is overspent."""
    refused, _used = crowd(
        ("second", 5), askers=8, requests=400, way_s=lambda number: 0.4 if number <= 5 else 0.01
    )
    assert refused == 0


def crowd(limit, *, askers, requests, way_s):
    """Requests refused, and the share used of *limit* by *askers* at once; *way_s* of the nth request, there as back."""
    clock, (name, most) = Clock(), limit
    span_s = WINDOWS_S[name]
    quota, server, events = budget(clock, **{name: most}), Server(most, span_s), []
    for number in range(askers):
        heapq.heappush(events, (START + number / 7, number, "leaves", None))
    sent = 0
    while sent < requests:
        moment, number, what, call = heapq.heappop(events)
        clock.now = max(clock.now, moment)
        if what == "leaves":
            try:
                call = quota.acquire(max_wait_s=0).call
            except RateLimited as spent:
                heapq.heappush(events, (clock.now + spent.retry_after_s, number, "leaves", None))
                continue
            sent += 1
            heapq.heappush(events, (clock.now + way_s(sent), number, "arrives", call))
        elif what == "arrives":
            server.arrives(moment)
            heapq.heappush(events, (moment + way_s(sent), number, "answered", call))
        else:
            quota.observe(200, {}, call)
            heapq.heappush(events, (moment, number, "leaves", None))
    return server.refused, sent / (most * ((clock.now - START) / span_s + 1))


def test_a_burst_that_was_refused_becomes_the_minutes_limit_for_an_hour():
    """Nobody publishes this vendor's minute: it is learned once and not earned again."""
    clock = Clock()
    quota = budget(clock, hour=5000)
    spend(quota, clock, 400)
    quota.observe(429, {"Retry-After": "60"})
    clock.now += 60
    for _ in range(50):
        quota.observe(200, {})
    moments = spend(quota, clock, 401)
    assert (moments[399] - moments[0], moments[400] - moments[0]) == (0.0, 60.0)
    clock.now += 3600
    assert len(set(spend(quota, clock, 401))) == 1


@pytest.mark.parametrize(
    ("calls", "headers"),
    [(30, {"Retry-After": "60"}), (400, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800"})],
    ids=["somebody-else-spent-it", "it-was-the-hour"],
)
def test_a_refusal_that_tells_nothing_about_the_minute_teaches_nothing(calls, headers):
    """Few requests of ours, or a longer time named: no limit of a minute."""
    clock = Clock()
    quota = budget(clock, hour=5000)
    spend(quota, clock, calls)
    quota.observe(429, headers)
    clock.now += 1800
    assert len(set(spend(quota, clock, 1000))) == 1


def test_refusals_are_remembered_with_what_they_told(tmp_path):
    """Whether this vendor sends Retry-After is known once one was seen."""
    clock = Clock()
    quota = budget(clock, tmp_path / "quota.db", hour=10)
    quota.observe(200, {"Retry-After": "3"})
    quota.observe(429, {})
    quota.observe(429, {"Retry-After": "3"})
    quota.close()
    assert budget(clock, tmp_path / "quota.db", hour=10).refusals() == Refusals(answers=2, told=1)


def test_a_full_disk_is_one_line(tmp_path):
    """Spent in the middle of a run: what to do, and nothing is lost by running again."""
    quota = Quota(tmp_path / "quota.db", "crm.example", {"hour": 10})
    quota._db.execute("PRAGMA max_page_count=1")
    quota.limits["hour"] = 10_000
    with pytest.raises(ConfigError, match=r"quota\.db: .*full; free some space and run again"):
        spend(quota, Clock(), 10_000)


def test_what_is_left_is_told_per_window():
    """The forecast asks before it starts."""
    clock = Clock()
    quota = budget(clock, minute=10, hour=25)
    spend(quota, clock, 4)
    assert quota.left() == {"minute": 6, "hour": 21}


def test_the_budget_survives_a_restart(tmp_path):
    """A killed run doesn't get a second hour."""
    clock = Clock()
    first = budget(clock, tmp_path / "quota.db", hour=3)
    spend(first, clock, 2)
    first.close()
    assert budget(clock, tmp_path / "quota.db", hour=3).left() == {"hour": 1}


def test_two_processes_share_one_budget(tmp_path):
    """Two connections to the file spend the same hour."""
    clock = Clock()
    one, two = (budget(clock, tmp_path / "quota.db", hour=10) for _ in range(2))
    spend(one, clock, 4)
    spend(two, clock, 5)
    assert (one.left(), two.left()) == ({"hour": 1}, {"hour": 1})


def test_hosts_have_budgets_of_their_own(tmp_path):
    """Test and production are two accounts."""
    clock = Clock()
    spend(budget(clock, tmp_path / "quota.db", hour=10), clock, 4)
    other = Quota(tmp_path / "quota.db", "other.example", {"hour": 10}, clock=clock)
    assert other.left() == {"hour": 10}


def test_threads_never_overspend(tmp_path):
    """Eight threads and ten places: ten get through."""
    quota = Quota(tmp_path / "quota.db", "crm.example", {"hour": 10})
    through = []

    def work():
        for _ in range(5):
            try:
                quota.acquire(max_wait_s=0)
                through.append(1)
            except RateLimited:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(through) == 10


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "30"}, 30),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:45 GMT"}, 45),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "90"}, 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(START) + 120)}, 120),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(START * 1000) + 5000)}, 5),
        ({"Retry-After": "7", "x-ratelimit-reset": "90"}, 7),
    ],
    ids=["seconds", "http-date", "reset-seconds", "reset-epoch", "reset-milliseconds", "retry-after-wins"],
)
def test_a_429_closes_the_budget_until_the_time_it_names(headers, wait_s):
    """The vendor's word wins over our count."""
    clock = Clock()
    quota = budget(clock, hour=1000)
    quota.acquire()
    quota.observe(429, headers)
    quota.acquire()
    assert clock.now - START == pytest.approx(wait_s)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "soon"},
        {"Retry-After": "0"},
        {"x-ratelimit-remaining": "612", "x-ratelimit-reset": "3000"},
    ],
    ids=["silent", "nonsense", "zero", "another-limit-was-hit"],
)
def test_a_429_that_names_no_time_backs_off_longer_each_time(headers):
    """1, 2, 4 … seconds, and not the reset of a limit that isn't spent."""
    clock = Clock()
    quota = budget(clock, hour=1000)
    waits = []
    for _ in range(8):
        quota.observe(429, headers)
        before = clock.now
        quota.acquire()
        waits.append(clock.now - before)
    assert [int(w) for w in waits] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_success_ends_the_backoff():
    """The next refusal starts at a second again."""
    clock = Clock()
    quota = budget(clock, hour=1000)
    for status in (429, 429, 200, 429):
        quota.acquire()
        quota.observe(status, {})
    before = clock.now
    quota.acquire()
    assert 1 <= clock.now - before < 1.5


def test_a_429_halves_the_short_windows_and_successes_widen_them_again():
    """Five a second becomes two, and five again after a while of successes."""
    clock = Clock()
    quota = budget(clock, second=5)
    quota.observe(429, {"Retry-After": "1"})
    moments = spend(quota, clock, 6)
    for _ in range(50):
        quota.observe(200, {})
    clock.now += 10
    before = clock.now
    for _ in range(5):
        quota.acquire()
    assert (moments, clock.now) == ([1.0, 1.0, 2.0, 2.0, 3.0, 3.0], before)


def test_refusals_of_requests_under_way_together_count_once():
    """Twenty parallel 429s don't narrow the window twenty times."""
    clock = Clock()
    quota = budget(clock, second=8)
    for _ in range(20):
        quota.observe(429, {"Retry-After": "1"})
    assert spend(quota, clock, 5)[-2:] == [1.0, 2.0]


def test_the_hour_is_not_narrowed_by_a_429():
    """The hour is the vendor's published figure; a refusal means others spent it, or a shorter limit."""
    clock = Clock()
    quota = budget(clock, hour=10)
    quota.observe(429, {"Retry-After": "1"})
    spend(quota, clock, 10)
    assert clock.now - START == 1.0


def test_an_answer_that_says_nothing_is_left_closes_before_the_429():
    """`x-ratelimit-remaining: 0` saves a refused call."""
    clock = Clock()
    quota = budget(clock, hour=1000)
    quota.observe(200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"})
    quota.acquire()
    assert clock.now - START == pytest.approx(40)


def test_a_503_may_ask_for_a_pause_too():
    """Retry-After is honoured wherever it stands."""
    clock = Clock()
    quota = budget(clock)
    quota.observe(503, {"Retry-After": "20"})
    quota.acquire()
    assert clock.now - START == pytest.approx(20)


def test_a_clock_set_back_neither_frees_nor_freezes_the_budget():
    """Counted calls and closures from the future are taken as of now."""
    clock = Clock()
    quota = budget(clock, minute=2)
    spend(quota, clock, 2)
    quota.observe(429, {"Retry-After": "30"})
    clock.now -= 86_400
    before = clock.now
    quota.acquire()
    assert clock.now - before == pytest.approx(60)


def test_no_closure_lasts_longer_than_a_day():
    """A reset header in an unknown unit can't stop a migration for years."""
    clock = Clock()
    quota = budget(clock)
    quota.observe(429, {"Retry-After": "99999999"})
    quota.acquire()
    assert clock.now - START == pytest.approx(86_400)


def test_whoever_waits_is_told_how_long_and_why():
    """The progress bar shows it."""
    clock = Clock()
    quota = budget(clock, minute=1)
    told = []
    send(quota)
    quota.acquire(on_wait=lambda wait_s, reason: told.append((wait_s, reason)))
    assert (told[0], [w for w, _ in told]) == (
        (60.0, "the minute's 1 requests are spent"),
        [60.0, 45.0, 30.0, 15.0],
    )


@pytest.mark.parametrize("limits", [{"day": 5}, {"hour": 0}], ids=["unknown-window", "zero"])
def test_a_limit_that_makes_no_sense_is_refused(limits):
    """A misspelled window must not mean unlimited."""
    with pytest.raises(ConfigError, match="expected 1 or more"):
        Quota(None, "crm.example", limits)


def test_a_broken_quota_file_is_one_line(tmp_path):
    """A person is told which file to delete."""
    (tmp_path / "quota.db").write_text("this is no database, but it is long enough to be read as one" * 20)
    with pytest.raises(ConfigError, match=r"quota\.db: .*; make it writable or delete it and run again"):
        Quota(tmp_path / "quota.db", "crm.example", {})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("12", 12.0), ("-1", None), ("nan", None), ("inf", None), ("", None), ("x" * 99, None)],
    ids=["absent", "number", "negative", "nan", "inf", "empty", "text"],
)
def test_retry_after_is_read_or_ignored(value, seconds):
    """Nonsense is as good as nothing."""
    assert retry_after_s(value, START) == seconds
