import json
import math
import re
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from bs4 import BeautifulSoup
from IPython.core.formatters import DisplayFormatter
from scipy.stats import binom, binomtest

from ganlib import claims
from ganlib.claims import VERDICTS, claim, interval, settled

ROOT = Path(__file__).resolve().parents[1]
REGISTER = claims.register()
INF, NAN = math.inf, math.nan
PAGE = "part/page"

SMALL = {
    status: {
        "id": status,
        "chapter": PAGE,
        "status": status,
        "card": f"The sentence of {status}.",
        "printed": f"The printed form of {status}.",
    }
    for status in VERDICTS
}
del SMALL["true"]["printed"]
SMALL["todo"] = {"id": "todo", "chapter": PAGE, "status": "true", "says": "Not written yet."}


SHELL = SimpleNamespace(execution_count=3)


@pytest.fixture
def small(monkeypatch):
    """A register of five claims with a card, one of each status, and one without."""
    monkeypatch.setattr(claims, "register", lambda: SMALL)
    monkeypatch.setattr(claims, "_shown", Counter())
    monkeypatch.setattr(claims, "_last", {})
    return SMALL


@pytest.fixture
def shown(small, monkeypatch):
    """What a notebook would show: the data and the record of each card."""
    cards = []
    monkeypatch.setattr("IPython.get_ipython", lambda: SHELL)
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: cards.append((data, metadata["ganlib"])))
    return cards


def holds(check, *arguments, **how):
    """Whether a check holds; whatever it raises but an AssertionError goes through."""
    try:
        getattr(claim("true"), check)(*arguments, **how)
    except AssertionError:
        return False
    return True


def bools(k, n):
    return np.arange(n) < k


# Numbers


@pytest.mark.parametrize(
    ("measured", "expected", "atol", "held"),
    [
        (1.5, 1.25, 0.25, True),
        (1.5, 1.25, 0.24, False),
        (1.25, 1.5, 0.24, False),
        (0.1, 0.1, 0, True),
        (0.1, 0.1 + 1e-16, 0, False),
        (-3.0, 3.0, 1, False),
        ([1.0, 2.0], [1.1, 1.9], 0.11, True),
        ([1.0, 2.0], [1.1, 1.0], 0.11, False),
        ([[1.0, 2.0], [3.0, 9.0]], 2.0, 1.5, False),
        ([1.0, 2.0, 3.0], 2.0, 1.0, True),
        (NAN, NAN, 1, False),
        (NAN, 0.0, INF, False),
        ([1.0, NAN], [1.0, 1.0], 1, False),
        (INF, INF, 0, True),
        (-INF, -INF, 1e-9, True),
        (INF, -INF, 1e9, False),
        (INF, 1.0, 1e9, False),
        ([INF, -INF, 1.0], [INF, -INF, 1.0], 0, True),
    ],
)
def test_close_holds_within_its_tolerance(small, measured, expected, atol, held):
    assert holds("close", measured, expected, atol=atol) is held
    assert holds("close", np.array(measured), np.array(expected), atol=atol) is held
    assert holds("close", torch.tensor(measured, dtype=torch.float64), expected, atol=atol) is held


@pytest.mark.parametrize(
    ("measured", "bound", "by", "held"),
    [
        (1.5, 1.0, 0, True),
        (1.0, 1.0, 0, False),
        (0.5, 1.0, 0, False),
        (1.5, 1.0, 0.5, False),
        (1.5, 1.0, 0.25, True),
        ([2.0, 3.0], 1.0, 0, True),
        ([2.0, 1.0], 1.0, 0, False),
        ([2.0, 3.0], [1.0, 2.5], 0.4, True),
        ([2.0, 3.0], [1.0, 2.5], 0.6, False),
        (NAN, 0.0, 0, False),
        (1.0, NAN, 0, False),
        ([2.0, NAN], 1.0, 0, False),
        (INF, 1e300, 1e300, True),
        (INF, INF, 0, False),
        (-INF, 0.0, 0, False),
    ],
)
def test_above_is_strict_and_below_is_its_mirror(small, measured, bound, by, held):
    assert holds("above", measured, bound, by=by) is held
    assert holds("below", -np.array(measured), -np.array(bound), by=by) is held
    assert not (held and holds("below", measured, bound, by=by))


@pytest.mark.parametrize("check", ["close", "above", "below"])
@pytest.mark.parametrize(
    ("measured", "other"),
    [(1.0, [1.0, 1.0]), ([1.0], [1.0, 1.0]), ([[1.0, 2.0]], [1.0, 2.0]), ([], 1.0), ([], []), ([[], []], 1.0)],
)
def test_other_shapes_are_refused(small, check, measured, other):
    with pytest.raises(ValueError, match="expected numbers and bounds of one shape, got"):
        holds(check, measured, other, **({"atol": 9} if check == "close" else {}))


def test_tensors_with_gradients_integers_and_lists_of_tensors_are_numbers(small):
    assert holds("close", torch.tensor([1.0, 2.0], requires_grad=True), [1, 2], atol=0)
    assert holds("close", [torch.tensor(1.0), torch.tensor(2)], [1, 2], atol=0)
    assert holds("above", torch.tensor(3), 2)
    assert not holds("above", torch.tensor([3.0, 1.0]).to(torch.float16), 2)


def test_what_is_no_number_is_refused(small):
    with pytest.raises((ValueError, TypeError)):
        claim("true").close("text", 1.0, atol=1)


@pytest.mark.parametrize(
    ("check", "arguments", "how", "numbers"),
    [
        ("close", (1.25, 3.5), {"atol": 0.5}, ["1.25", "3.5", "0.5"]),
        ("above", (1.25, 3.5), {}, ["1.25", "3.5"]),
        ("below", (4.25, 3.5), {"by": 0.5}, ["4.25", "3.5", "0.5"]),
        ("close", ([1.0, 7.25], [1.0, 3.5]), {"atol": 0.5}, ["7.25", "3.5", "3.75"]),
        ("above", ([9.0, 1.25], [1.0, 3.5]), {}, ["1.25", "3.5", "−2.25"]),
        ("rate", (bools(5, 16),), {"above": 0.5}, ["5 of 16", "50 %", "11 to 59 %"]),
        ("rate", (bools(5, 16),), {"over": bools(4, 12)}, ["5 of 16", "4 of 12", "p = "]),
    ],
)
def test_a_check_that_fails_says_what_was_measured_and_what_was_asked(small, check, arguments, how, numbers):
    with pytest.raises(AssertionError, match=r"^true does not hold: asked ") as error:
        getattr(claim("true"), check)(*arguments, **how)
    assert [number for number in numbers if number not in str(error.value)] == []


def test_a_check_that_fails_shows_no_card(shown):
    assert not holds("close", 1, 2, atol=0)
    assert shown == []


def test_a_check_returns_the_claim_for_the_next_one(small):
    same = claim("true")
    assert same.close(1, 1, atol=0) is same
    assert same.above(2, 1).below(1, 2).rate(bools(16, 16), above=0.5) is same


# Rates


@pytest.mark.parametrize("n", [1, 16, 64])
def test_the_interval_is_the_exact_one(n):
    for k in range(n + 1):
        exact = binomtest(k, n).proportion_ci(0.95, method="exact")
        assert interval(k, n) == pytest.approx((exact.low, exact.high), rel=1e-9, abs=1e-12)


def test_the_interval_leaves_one_fortieth_on_each_side():
    low, high = interval(13, 16)
    assert binom.sf(12, 16, low) == pytest.approx(0.025)
    assert binom.cdf(13, 16, high) == pytest.approx(0.025)


def test_the_level_of_the_interval_may_be_chosen():
    exact = binomtest(5, 16).proportion_ci(0.99, method="exact")
    assert interval(5, 16, level=0.99) == pytest.approx((exact.low, exact.high), rel=1e-9)


@pytest.mark.parametrize(("k", "n"), [(-1, 4), (5, 4), (0, 0)])
def test_an_impossible_share_is_refused(k, n):
    with pytest.raises(ValueError, match=f"expected k of n with n at least 1, got {k} of {n}"):
        interval(k, n)


@pytest.mark.parametrize(("n", "share", "least"), [(16, 0.5, 13), (64, 0.75, 56), (64, 0.5, 41), (16, 0.75, 16)])
def test_a_rate_holds_when_its_whole_interval_lies_beyond(small, n, share, least):
    for k in range(n + 1):
        assert holds("rate", bools(k, n), above=share) is (k >= least)
        assert holds("rate", bools(k, n), below=1 - share) is (k <= n - least)


def barnard(k, n, j, m):
    """Barnard's test, one-sided: the largest probability, over the common rate, of a table at least as extreme."""

    def score(a, b):
        pooled = (a + b) / (n + m)
        return (a / n - b / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) if 0 < pooled < 1 else 0.0

    extreme = [(a, b) for a, b in product(range(n + 1), range(m + 1)) if score(a, b) >= score(k, j) - 1e-12]
    rates = np.linspace(0, 1, 1001)
    return sum(binom.pmf(a, n, rates) * binom.pmf(b, m, rates) for a, b in extreme).max()


TABLES = [
    (8, 8, 2, 8),
    (8, 8, 3, 8),
    (8, 8, 4, 8),
    (7, 8, 1, 8),
    (6, 8, 1, 8),
    (2, 8, 8, 8),
    (4, 8, 4, 8),
    (8, 8, 8, 8),
]
TABLES += [(0, 8, 0, 8), (9, 12, 2, 12), (9, 12, 3, 12), (6, 6, 3, 12), (6, 6, 5, 12)]
TABLES += [(7, 16, 8, 64)]  # two tables are equally extreme, and rounding must not tell them apart


@pytest.mark.parametrize(("k", "n", "j", "m"), TABLES)
def test_one_method_beats_another_by_barnards_test(shown, k, n, j, m):
    p = barnard(k, n, j, m)
    assert abs(p - 0.01) > 1e-4
    assert holds("rate", bools(k, n), over=bools(j, m)) is bool(p < 0.01)
    if p < 0.01:
        (_, record), *_ = shown
        assert float(re.search(r"p = (\S+)$", record["figures"])[1].replace("−", "-")) == pytest.approx(p, rel=5e-3)
        assert (record["seeds"], record["bound"]) == (n + m, "more often than the other, p < 0.01")


def test_barnards_cases_lie_on_both_sides():
    assert barnard(8, 8, 3, 8) < 0.01 < barnard(8, 8, 4, 8)
    assert barnard(7, 16, 8, 64) == pytest.approx(0.01229, abs=1e-5)  # from integer arithmetic


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_outcomes_may_come_in_any_sequence_of_bools(small, kind):
    assert holds("rate", kind([True] * 14 + [False] * 2), above=0.5)
    assert not holds("rate", kind([True] * 4 + [False] * 12), above=0.5)


@pytest.mark.parametrize(
    "outcomes",
    [[1] * 16, [1.0] * 16, np.ones((4, 4), bool), torch.ones(4, 4) > 0, [], np.ones(0, bool), True, ["yes"] * 16, 0.9],
    ids=str,
)
def test_outcomes_that_are_not_one_bool_a_seed_are_refused(small, outcomes):
    with pytest.raises(ValueError, match="expected one bool a seed, got "):
        claim("true").rate(outcomes, above=0.5)
    with pytest.raises(ValueError, match="expected one bool a seed, got "):
        claim("true").rate([True] * 16, over=outcomes)


@pytest.mark.parametrize(
    "how", [{}, {"above": 0.5, "below": 0.9}, {"above": 0.5, "over": [True]}, {"below": 0, "over": [True]}]
)
def test_a_rate_has_one_bound(small, how):
    with pytest.raises(ValueError, match="expected one of above, below and over"):
        claim("true").rate([True] * 16, **how)


# Citations, and the claim itself


def test_a_citation_names_its_keys(shown):
    claim("true").cited("goodfellow2014gan", "lin1991divergence")
    ((data, record),) = shown
    assert (record["kind"], record["bound"]) == ("cited", "by citation: goodfellow2014gan, lin1991divergence")
    assert data["text/plain"].endswith("[holds; by citation: goodfellow2014gan, lin1991divergence]")


def test_a_citation_without_a_key_is_refused(small):
    with pytest.raises(ValueError, match="expected at least one key"):
        claim("true").cited()


@pytest.mark.parametrize(
    ("id", "near"),
    [
        ("value-at-optimal-discriminatr", "value-at-optimal-discriminator"),
        ("optimal-formula-discriminator", "optimal-discriminator-formula"),
        ("qqqq", "none"),
        ("", "none"),
    ],
)
def test_an_unknown_id_is_refused_with_those_near_it(id, near):
    with pytest.raises(ValueError, match=f"expected the id of a claim with a card .* got {id!r}; near it: .*{near}"):
        claim(id)


def test_a_claim_without_a_card_is_refused(small):
    with pytest.raises(ValueError, match=r"expected the id of a claim with a card .* got 'todo'"):
        claim("todo")


def test_the_printed_form_of_a_claim_without_one_is_refused(small):
    with pytest.raises(ValueError, match=r"expected a field 'printed' in claims\.yml for 'true', got none"):
        claim("true").printed  # noqa: B018


def test_the_printed_form_is_another_claim(shown):
    plain = claim("typo", brief=True)
    plain.printed.above(2, 1)
    plain.above(2, 1)
    assert [record["printed"] for _, record in shown] == [True, False]
    assert [" open" in data["text/html"] for data, _ in shown] == [False, False]


# Cards


def card(data):
    return BeautifulSoup(data["text/html"], "html.parser").details


CHIPS = {
    "true": ("holds", None),
    "true-with-caveat": ("holds with a caveat", "as printed: fails"),
    "imprecise": ("the right form holds", "as printed: fails"),
    "wrong-as-stated": ("the right form holds", "as printed: fails"),
    "typo": ("the right form holds", "as printed: fails"),
}


@pytest.mark.parametrize("status", VERDICTS)
def test_a_card_says_the_sentence_its_verdict_and_what_was_measured(shown, status):
    claim(status).close(1.25, 1.25, atol=1e-9)
    ((data, _),) = shown
    assert data["text/plain"] == f"✓ The sentence of {status}. [{VERDICTS[status]}; within 1e−9]"
    assert card(data).summary.get_text() == f"✓ The sentence of {status}. {CHIPS[status][0]}"
    assert card(data).find(class_="measured").get_text() == "1.25, off by 0 · asked: within 1e−9"


@pytest.mark.parametrize("status", [status for status in VERDICTS if status != "true"])
def test_a_card_of_the_printed_form_says_that_it_fails(shown, status):
    claim(status).printed.above(2, 1)
    ((data, _),) = shown
    assert data["text/plain"] == f"✗ The printed form of {status}. [fails; above 1]"
    assert card(data).summary.get_text() == f"✗ The printed form of {status}. {CHIPS[status][1]}"


@pytest.mark.parametrize("brief", [False, True])
def test_a_brief_card_is_closed(shown, brief):
    claim("true", brief=brief).above(2, 1)
    assert card(shown[0][0]).has_attr("open") is not brief


def test_a_card_is_escaped(shown, monkeypatch):
    text = """<b>"a" & 'b'</b> < 1"""
    monkeypatch.setitem(SMALL, "marked", {"id": "marked", "chapter": PAGE, "status": "true", "card": text})
    claim("marked").above(2, 1)
    assert card(shown[0][0]).b is None
    assert text in card(shown[0][0]).summary.get_text()
    assert shown[0][0]["text/plain"] == f"✓ {text} [holds; above 1]"


def test_the_colour_of_a_card_is_that_of_its_verdict(shown):
    for status in ("true", "true-with-caveat", "typo"):
        claim(status).above(2, 1)
    claim("typo").printed.above(2, 1)
    colours = [re.search("border-left:.25em solid (#[0-9a-f]{6})", data["text/html"])[1] for data, _ in shown]
    assert colours[0] == colours[2]
    assert len(set(colours)) == 3
    for colour, (data, _) in zip(colours, shown, strict=True):
        assert {span["style"].split(";")[0] for span in card(data).find_all("span")} == {f"color:{colour}"}


VARYING = [
    ("close", [(0.1234, 0.5), (0.4321, 0.5)], {"atol": 1}),
    ("close", [([0.1234] * 7, 0.5), ([0.4321] * 7, 0.5)], {"atol": 1}),
    ("above", [(0.1234, 0.0), (0.4321, 0.0)], {}),
    ("above", [([0.1234, 7.0], [0.01, 0.02]), ([0.4321, 8.0], [0.03, 0.04])], {"by": 0.05}),
    ("below", [(-0.1234, 0.0), (-0.4321, 0.0)], {"by": 0.1}),
    ("rate", [(bools(16, 16),), (bools(15, 16),)], {"above": 0.5}),
    ("rate", [(bools(0, 16),), (bools(1, 16),)], {"below": 0.5}),
    ("rate", [(bools(16, 16),), (bools(15, 16),)], {"over": bools(1, 16)}),
]


@pytest.mark.parametrize(("check", "measured", "how"), VARYING)
def test_the_compared_text_holds_no_measured_digit(shown, check, measured, how):
    for arguments in measured:
        getattr(claim("true"), check)(*arguments, **how)
        claims._shown.clear()
        claims._last.clear()
    (one, first), (other, second) = shown
    assert one["text/plain"] == other["text/plain"]
    assert first["figures"] != second["figures"]
    assert first["figures"] in card(one).get_text()


def test_a_rate_names_its_seeds_in_the_text(shown):
    claim("true").rate(bools(16, 16), above=0.5)
    assert shown[0][0]["text/plain"] == "✓ The sentence of true. [holds; in more than 50 % of seeds; 16 seeds]"


def test_the_record_holds_what_the_evidence_needs(shown):
    claim("typo").printed.rate(bools(16, 16), above=0.5)
    assert shown[0][1] == {
        "claim": "typo",
        "kind": "rate",
        "printed": True,
        "anchor": "claim-typo-printed",
        "bound": "in more than 50 % of seeds",
        "figures": "16 of 16 seeds, interval 79 to 100 %",
        "count": 16,
        "seeds": 16,
    }
    json.dumps(shown[0][1])


def test_more_evidence_for_a_card_says_also(shown):
    claim("typo").above(2, 1).rate(bools(16, 16), above=0.5)
    claim("typo").printed.above(3, 1).above(4.5, 1)
    texts = [data["text/plain"] for data, _ in shown]
    assert texts[0::2] == [
        "✓ The sentence of typo. [wrong as printed; above 1]",
        "✗ The printed form of typo. [fails; above 1]",
    ]
    assert texts[1::2] == ["✓ also [wrong as printed; in more than 50 % of seeds; 16 seeds]", "✗ also [fails; above 1]"]
    last = BeautifulSoup(shown[-1][0]["text/html"], "html.parser").find(class_="claim")
    assert (last["id"], last.get_text()) == ("claim-typo-printed-2", "✗ also: 4.5 against 1 · asked: above 1")
    colours = [re.search("#[0-9a-f]{6}", data["text/html"])[0] for data, _ in shown]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_also_needs_the_same_card_just_above_in_the_same_cell(shown, monkeypatch):
    claim("typo").above(2, 1)
    monkeypatch.setattr(SHELL, "execution_count", 4)
    claim("typo").above(3, 1)
    claim("typo").printed.above(2, 1)
    claim("typo").above(4, 1)
    assert not [data for data, _ in shown if "also" in data["text/plain"]]


def test_a_cell_is_told_by_its_code_where_the_count_stands_still(shown):
    for cell in ("cell 1", "cell 2"):
        exec(compile("claim('typo').above(2, 1).above(3, 1)", cell, "exec"), {"claim": claim})
    assert ["also" in data["text/plain"] for data, _ in shown] == [False, True, False, True]


def test_every_card_has_a_place_of_its_own(shown):
    for _ in range(3):
        claim("typo").above(2, 1)
        claim("typo").printed.above(2, 1)
        claim("imprecise").above(2, 1)
    anchors = [record["anchor"] for _, record in shown]
    assert len(set(anchors)) == 9
    assert anchors[:4] == ["claim-typo", "claim-typo-printed", "claim-imprecise", "claim-typo-2"]
    assert anchors == [re.search('id="([^"]*)"', data["text/html"])[1] for data, _ in shown]


def test_a_check_as_the_last_line_of_a_cell_shows_its_card_and_no_more(shown):
    assert DisplayFormatter().format(claim("true").above(2, 1)) == ({}, {})
    assert len(shown) == 1


def test_outside_a_notebook_the_text_is_printed(small, capsys):
    claim("true").above(2, 1)
    assert capsys.readouterr().out == "✓ The sentence of true. [holds; above 1]\n"


BOUNDS = [
    (1e-9, "1e−9"),
    (0.5, "0.5"),
    (2.5e-7, "2.5e−7"),
    (1234.5, "1,234"),
    (99.5, "99.5"),
    (2e6, "2e6"),
    (1e10, "1e10"),
]


@pytest.mark.parametrize(("bound", "text"), BOUNDS)
def test_a_bound_is_written_as_people_write_it(shown, bound, text):
    claim("true").close(1, 1, atol=bound)
    claim("true").below(-3 * bound, -bound)
    claim("true").above(torch.tensor(2 * bound), 0, by=bound)
    bounds = [record["bound"] for _, record in shown]
    assert bounds == [f"within {text}", f"below −{text}", f"above 0 by {text}"]


def test_no_tolerance_is_written_exactly(shown):
    claim("true").close(1, 1, atol=0)
    assert shown[0][1]["bound"] == "exactly"


# Settled


def record(*, printed=False, page=PAGE, kind="close"):
    return {"printed": printed, "page": page, "kind": kind}


RIGHT, FAILS = record(), record(printed=True)


@pytest.mark.parametrize("status", VERDICTS)
@pytest.mark.parametrize(
    ("records", "for_true", "for_others"),
    [
        ([], False, False),
        ([RIGHT], True, False),
        ([FAILS], False, False),
        ([RIGHT, FAILS], True, True),
        ([FAILS, RIGHT, RIGHT], True, True),
        ([record(kind="cited")], True, True),
        ([record(kind="cited"), RIGHT], True, False),
        ([record(page="part/other")], False, False),
        ([record(page="part/other"), record(printed=True, page="part/other")], False, False),
        ([RIGHT, record(printed=True, page="part/other")], True, False),
        ([FAILS, record(page="part/other")], False, False),
        ([RIGHT, record(page="part/other", kind="cited")], True, False),
    ],
)
def test_a_claim_is_settled_on_its_page_by_all_that_its_status_asks(status, records, for_true, for_others):
    assert settled(SMALL[status], records) is (for_true if status == "true" else for_others)


# A book


def write(root, page, records):
    path = root / "chapters" / f"{page}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs = [{"output_type": "display_data", "data": {}, "metadata": {"ganlib": one}} for one in records]
    cells = [
        {"cell_type": "markdown", "source": "# T"},
        {"cell_type": "code", "outputs": [{"name": "stdout"}, *outputs]},
    ]
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")


def evidence_of(id, **how):
    return {"claim": id, **{key: value for key, value in record(**how).items() if key != "page"}}


@pytest.fixture
def book(tmp_path, small, monkeypatch):
    """A book of two chapters and a page without a notebook; a third notebook is not in its contents."""
    files = [{"file": f"chapters/{page}"} for page in (PAGE, "part/other", "glossary")]
    toc = {"root": "intro", "parts": [{"chapters": files[:2]}, {"chapters": files[2:]}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    write(
        tmp_path,
        PAGE,
        [evidence_of("true"), evidence_of("typo"), evidence_of("typo", printed=True), evidence_of("imprecise")],
    )
    write(tmp_path, "part/other", [evidence_of("wrong-as-stated"), evidence_of("wrong-as-stated", printed=True)])
    write(tmp_path, "part/unlisted", [evidence_of("imprecise", printed=True)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_are_those_of_the_contents_in_their_order(book):
    assert claims.pages(book) == ["chapters/part/page", "chapters/part/other", "chapters/glossary"]


def test_the_evidence_is_what_the_listed_notebooks_recorded(book):
    found = claims.evidence(book)
    assert {id: [(r["page"], r["printed"]) for r in records] for id, records in found.items()} == {
        "true": [(PAGE, False)],
        "typo": [(PAGE, False), (PAGE, True)],
        "imprecise": [(PAGE, False)],
        "wrong-as-stated": [("part/other", False), ("part/other", True)],
    }


def test_the_command_lists_every_claim_and_counts_last(book, capsys):
    assert claims.main([]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "settled 2 of 6"
    assert [line.split(maxsplit=1)[0] for line in lines] == list(SMALL)
    verdicts = {line.split()[0]: " ".join(line.split()[1:-1]) for line in lines}
    waiting = "not settled yet"
    assert verdicts == {
        "true": "holds",
        "true-with-caveat": waiting,
        "imprecise": waiting,
        "wrong-as-stated": waiting,
        "typo": "wrong as printed",
        "todo": waiting,
    }
    assert {line.split()[-1] for line in lines} == {PAGE}


def test_the_books_own_claims_are_counted_apart(book, capsys, monkeypatch):
    monkeypatch.setitem(SMALL, "ours", {**SMALL["true"], "id": "ours", "source": "book", "chapter": "part/other"})
    write(book, "part/other", [evidence_of("ours")])
    assert claims.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["claims of the book's own: settled 1 of 1", "settled 2 of 6"]


def test_the_command_may_be_asked_for_one_page(book, capsys, monkeypatch):
    monkeypatch.setitem(SMALL, "elsewhere", {**SMALL["true"], "id": "elsewhere", "chapter": "part/other"})
    assert claims.main(["--page", "part/other"]) == 0
    assert capsys.readouterr().out.splitlines() == ["elsewhere  not settled yet      part/other", "settled 0 of 1"]


def test_the_command_works_in_a_folder_of_the_book(book, capsys, monkeypatch):
    monkeypatch.chdir(book / "chapters" / "part")
    assert claims.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "settled 2 of 6"


@pytest.mark.parametrize("arguments", [["--page"], ["part/page"], ["--page", "a", "b"], ["--help"]])
def test_another_use_of_the_command_is_an_error(book, capsys, arguments):
    assert claims.main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("usage: ")


def test_a_page_without_a_claim_is_an_error(book, capsys):
    assert claims.main(["--page", "no/page"]) == 2
    assert capsys.readouterr().err == "no claim is given to the page no/page\n"


def test_outside_a_book_the_command_says_where_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=re.escape(f"expected to be in the book's folder, one with _toc.yml; got {tmp_path}")
    ):
        claims.main([])


def test_the_command_counts_this_book():
    done = subprocess.run([sys.executable, "-m", "ganlib.claims"], cwd=ROOT, capture_output=True, text=True, check=True)
    entries, found = list(REGISTER.values()), claims.evidence(ROOT)
    count = sum(settled(e, found.get(e["id"], [])) for e in entries if e.get("source") != "book")
    assert done.stdout.splitlines()[-1] == f"settled {count} of 268"
    assert done.stderr == ""


# The register


ENTRIES = yaml.safe_load((ROOT / "ganlib" / "claims.yml").read_text(encoding="utf-8"))
FIELDS = {"id", "chapter", "topic", "kind", "says", "status"}
THEIRS, OPTIONAL = {"notes", "check"}, {"correct", "card", "printed", "tempting", "source"}
KINDS = {"definition", "identity", "algorithm", "empirical", "system", "todo"}
PARTS = {"likelihood", "game", "wasserstein", "images", "evidence"}


def failing(condition, entries=ENTRIES):
    return [entry["id"] for entry in entries if not condition(entry)]


def test_every_claim_has_an_id_of_its_own():
    ids = [entry["id"] for entry in ENTRIES]
    assert [id for id, count in Counter(ids).items() if count > 1] == []
    assert list(REGISTER) == ids
    assert failing(lambda entry: re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["id"])) == []


def test_no_two_claims_can_have_the_same_place():
    ids = {entry["id"] for entry in ENTRIES}
    assert [id for id in ids if re.sub(r"(-printed)?(-\d+)?$", "", id) in ids - {id}] == []


def test_the_notes_make_268_claims():
    assert sum(entry.get("source") != "book" for entry in ENTRIES) == 268
    assert failing(lambda entry: entry.get("source", "book") == "book") == []


def test_every_claim_has_its_fields_and_no_other():
    assert (
        failing(lambda e: FIELDS | (set() if "source" in e else THEIRS) <= set(e) <= FIELDS | THEIRS | OPTIONAL) == []
    )
    assert failing(lambda entry: all(value for value in entry.values())) == []


def test_status_kind_and_page_are_known():
    assert failing(lambda entry: entry["status"] in VERDICTS) == []
    assert failing(lambda entry: entry["kind"] in KINDS) == []
    assert failing(lambda entry: re.fullmatch(rf"({'|'.join(PARTS)})/[a-z][a-z0-9_]*", entry["chapter"])) == []


def test_what_is_not_plainly_true_has_the_right_statement():
    assert failing(lambda entry: entry["status"] in ("true", "true-with-caveat") or "correct" in entry) == []


WITH_CARD = [entry for entry in ENTRIES if "card" in entry]


def test_a_card_is_one_plain_sentence():
    assert WITH_CARD
    for field in ("card", "printed"):
        assert (
            failing(lambda e, f=field: len(e.get(f, "").strip()) <= 140 and "\n" not in e.get(f, ""), WITH_CARD) == []
        )
        assert failing(lambda e, f=field: not re.search(r"[$\\`{}]|\*\*", e.get(f, "")), WITH_CARD) == []
        assert failing(lambda e, f=field: f not in e or e[f].strip().endswith("."), WITH_CARD) == []


def test_a_card_of_what_is_not_plainly_true_has_the_printed_form():
    assert failing(lambda entry: entry["status"] == "true" or "printed" in entry, WITH_CARD) == []
    assert failing(lambda entry: entry.get("printed") != entry["card"], WITH_CARD) == []


def test_a_card_of_what_is_wrong_says_why_it_is_tempting():
    wrong = [entry for entry in WITH_CARD if VERDICTS[entry["status"]] == "wrong as printed"]
    assert wrong
    assert failing(lambda entry: "tempting" in entry, wrong) == []


def test_every_claim_settled_in_the_book_has_a_card():
    found = claims.evidence(ROOT)
    assert found
    assert [id for id in found if "card" not in REGISTER.get(id, {})] == []
    done = [entry for entry in ENTRIES if settled(entry, found.get(entry["id"], []))]
    assert done and failing(lambda entry: len(entry["card"]) <= 140, done) == []


def test_importing_the_module_imports_nothing_heavy():
    heavy = ("torch", "numpy", "scipy", "matplotlib", "IPython", "yaml")
    code = f"import sys, ganlib.claims; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
