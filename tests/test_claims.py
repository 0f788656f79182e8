import json
import math
import re
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import sympy
import torch
from bs4 import BeautifulSoup
from IPython.core.formatters import DisplayFormatter

from ganlib import claims
from ganlib.claims import RUNGS, VERDICTS, claim, rung
from ganlib.rates import barnard, binomial, mcnemar

INF, NAN = math.inf, math.nan

SMALL = {
    status: {"id": status, "status": status, "card": f"The sentence of {status}.", "notes": ["000:1-2"]}
    for status in VERDICTS
}
SMALL["limited"]["limit"] = "Where limited ends."
SMALL["wrong"]["printed"] = "What the source says."
SMALL["slip"]["printed"] = "The slip, run."
SMALL["ours"] = {"id": "ours", "status": "wrong", "card": "Ours.", "printed": "In a book.", "source": "book"}
SMALL["played"] = {
    "id": "played",
    "status": "limited",
    "card": "It keeps.",
    "limit": "It ends.",
    "setting": "RING8, 9 turns",
}
SMALL["todo"] = {"id": "todo", "status": "true", "says": "Not written yet."}


SHELL = SimpleNamespace(execution_count=3)


@pytest.fixture
def small(monkeypatch):
    """A register with a claim of each status, one of our own, one with a setting, and one without a card."""
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
        getattr(claim("true"), check)(*arguments, what="it", **how)
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
        claim("true").close("text", 1.0, atol=1, what="it")


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
        ("rate", (bools(5, 16),), {"over": bools(4, 16), "paired": True}, ["5 of 16", "4 of 16", "p = "]),
    ],
)
def test_a_check_that_fails_says_what_was_measured_and_what_was_asked(small, check, arguments, how, numbers):
    with pytest.raises(AssertionError, match=r"^true does not hold: asked ") as error:
        getattr(claim("true"), check)(*arguments, what="it", **how)
    assert [number for number in numbers if number not in str(error.value)] == []


def test_a_check_that_fails_shows_no_card(shown):
    assert not holds("close", 1, 2, atol=0)
    assert shown == []


def test_a_check_returns_the_claim_for_the_next_one(small):
    same = claim("true")
    assert same.close(1, 1, atol=0, what="it") is same
    assert same.above(2, 1, what="it").below(1, 2, what="it").rate(bools(16, 16), above=0.5, what="it") is same


# Rates


@pytest.mark.parametrize(("n", "share", "least"), [(16, 0.5, 13), (64, 0.75, 56), (64, 0.5, 41), (16, 0.75, 16)])
def test_a_rate_holds_when_its_whole_interval_lies_beyond(small, n, share, least):
    for k in range(n + 1):
        assert holds("rate", bools(k, n), above=share) is (k >= least)
        assert holds("rate", bools(k, n), below=1 - share) is (k <= n - least)


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
        claim("true").rate(outcomes, above=0.5, what="it")
    with pytest.raises(ValueError, match="expected one bool a seed, got "):
        claim("true").rate([True] * 16, over=outcomes, what="it")


@pytest.mark.parametrize(
    "how", [{}, {"above": 0.5, "below": 0.9}, {"above": 0.5, "over": [True]}, {"below": 0, "over": [True]}]
)
def test_a_rate_has_one_bound(small, how):
    with pytest.raises(ValueError, match="expected one of above, below and over"):
        claim("true").rate([True] * 16, **how, what="it")


# Citations, and the claim itself


def test_a_citation_names_its_keys(shown):
    claim("cited").cited("goodfellow2014gan", "lin1991divergence")
    ((data, record),) = shown
    assert (record["kind"], record["keys"]) == ("cited", ["goodfellow2014gan", "lin1991divergence"])
    assert data["text/plain"].endswith("[by citation; by citation: goodfellow2014gan, lin1991divergence; by citation]")


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


@pytest.mark.parametrize(
    ("id", "second"), [("true", "limit"), ("true", "printed"), ("wrong", "limit"), ("limited", "printed")]
)
def test_second_evidence_of_a_claim_without_it_is_refused(small, id, second):
    with pytest.raises(ValueError, match=rf"expected a field '{second}' in claims\.yml for '{id}', got none"):
        getattr(claim(id), second)


def test_second_evidence_leaves_the_claim_as_it_was(shown):
    plain = claim("wrong", brief=True)
    plain.printed.above(2, 1, what="it")
    plain.above(2, 1, what="it")
    assert [record["role"] for _, record in shown] == ["printed", "card"]
    assert [" open" in data["text/html"] for data, _ in shown] == [False, False]


@pytest.mark.parametrize("what", ["", "  ", None, 3])
def test_a_check_names_what_it_measures(small, what):
    for check in (
        lambda: claim("true").close(1, 1, atol=0, what=what),
        lambda: claim("true").above(2, 1, what=what),
        lambda: claim("true").rate(bools(16, 16), above=0.5, what=what),
    ):
        with pytest.raises(ValueError, match="expected what, the quantity measured"):
            check()
    with pytest.raises(TypeError, match="what"):
        claim("true").above(2, 1)


# How far evidence carries


def test_the_rung_is_that_of_the_evidence(shown):
    x, one, it = sympy.symbols("x"), claim("true"), {"what": "it"}
    one.close(range(9), range(9), atol=0, **it).close(range(10), range(10), atol=0, **it)
    one.rate(bools(16, 16), above=0.5, **it).rate(bools(60, 64), above=0.5, of="worlds", **it)
    one.close(range(8), range(8), atol=0, every=8, **it)
    one.symbolic(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1, **it)
    one.close(1, 1, atol=0, rebuilt="sympy", **it).cited("key")
    found = [record["rung"] for _, record in shown]
    assert found == [*RUNGS[1:], "by citation"]
    assert [rung(record) for _, record in shown] == found
    assert all(f"; {record['rung']}]" in data["text/plain"] for data, record in shown)


def test_worlds_beside_the_seeds_carry_the_card_where_they_meet_its_bound_too(shown):
    for k in (40, 41):  # of 64: the least whose whole interval lies above one half is 41
        claim("true").rate(bools(16, 16), above=0.5, what="it", worlds=bools(k, 64))
        claim("true").rate(bools(0, 16), below=0.5, what="it", worlds=bools(64 - k, 64))
    claim("true").rate(bools(16, 16), over=bools(1, 16), what="it", worlds=bools(64, 64))
    assert [record["rung"] for _, record in shown] == ["seeds"] * 2 + ["worlds"] * 2 + ["seeds"]


def test_every_case_means_one_number_each(small):
    with pytest.raises(ValueError, match="expected one number for each of the 256 cases, got 255"):
        claim("true").close([0.0] * 255, 0.0, atol=0, what="it", every=256)


@pytest.mark.parametrize("library", ["ganlib", "ganlib.claims", "no_such_library"])
def test_rebuilt_names_another_library_that_is_in_use(small, library):
    with pytest.raises(ValueError, match="expected another library that is in use here"):
        claim("true").above(2, 1, what="it", rebuilt=library)


@pytest.mark.parametrize("wrong", ["(x + 1) ** 2 - x**2 - 2 * x - 1.5", "x - y", "x * 0", "0"])
def test_a_symbolic_difference_is_zero_for_every_value_and_not_by_being_none(small, wrong):
    claim("true").symbolic(sympy.sympify("(x + 1) ** 2 - x**2 - 2 * x - 1", evaluate=False), what="it")
    with pytest.raises(AssertionError, match="0 for every value of its symbols"):
        claim("true").symbolic(sympy.sympify(wrong), what="it")


# Cards


def card(data):
    return BeautifulSoup(data["text/html"], "html.parser").details


CHIPS = {
    "true": "holds",
    "limited": "holds within limits",
    "wrong": "the right form holds",
    "slip": "the right form of a slip",
    "cited": "by citation",
}


@pytest.mark.parametrize("status", VERDICTS)
def test_a_card_says_the_sentence_its_verdict_and_what_was_measured(shown, status):
    claim(status).close(1.25, 1.25, atol=1e-9, what="V(D*)")
    ((data, _),) = shown
    assert data["text/plain"] == f"✓ The sentence of {status}. [{CHIPS[status]}; V(D*) within 1e−9; one case]"
    assert card(data).summary.get_text() == f"✓ The sentence of {status}. {CHIPS[status]}"
    assert card(data).find(class_="measured").get_text() == "V(D*): 1.25, off by 0 · asked: within 1e−9 · one case"


SECOND = [
    ("limited", "limit", "◑ Where limited ends.", "where it ends"),
    ("wrong", "printed", "✗ What the source says.", "as the source has it: fails"),
    ("slip", "printed", "✗ The slip, run.", "the slip: fails"),
    ("ours", "printed", "✗ In a book.", "as printed: fails"),
]


@pytest.mark.parametrize(("id", "second", "sentence", "chip"), SECOND)
def test_a_card_of_second_evidence_says_which_it_is(shown, id, second, sentence, chip):
    getattr(claim(id), second).above(2, 1, what="the gap")
    ((data, _),) = shown
    assert data["text/plain"] == f"{sentence} [{chip}; the gap above 1; one case]"
    assert card(data).summary.get_text() == f"{sentence} {chip}"


def test_a_setting_stands_beside_its_sentence(shown):
    claim("played").above(2, 1, what="it")
    claim("played").limit.above(2, 1, what="it")
    texts = [data["text/plain"].partition(" [")[0] for data, _ in shown]
    assert texts == ["✓ It keeps. (RING8, 9 turns)", "◑ It ends."]
    assert card(shown[0][0]).find(class_="setting").get_text() == "(RING8, 9 turns)"


@pytest.mark.parametrize("brief", [False, True])
def test_a_brief_card_is_closed(shown, brief):
    claim("true", brief=brief).above(2, 1, what="it")
    assert card(shown[0][0]).has_attr("open") is not brief


def test_a_card_is_escaped(shown, monkeypatch):
    text = """<b>"a" & 'b'</b> < 1"""
    monkeypatch.setitem(SMALL, "marked", {"id": "marked", "status": "true", "card": text})
    claim("marked").above(2, 1, what="it")
    assert card(shown[0][0]).b is None
    assert text in card(shown[0][0]).summary.get_text()
    assert shown[0][0]["text/plain"] == f"✓ {text} [holds; it above 1; one case]"


def luminance(colour):
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def test_the_colour_of_a_card_is_that_of_its_verdict(shown):
    for status in VERDICTS:
        claim(status).above(2, 1, what="it")
    claim("limited").limit.above(2, 1, what="it")
    claim("wrong").printed.above(2, 1, what="it")
    colours = [re.search("border-left:.25em solid (#[0-9a-f]{6})", data["text/html"])[1] for data, _ in shown]
    true, limited, wrong, slip, cited, limit, printed = colours
    assert true == wrong and limited == limit and slip == cited
    assert len({true, limited, slip, printed}) == 4
    for colour, (data, _) in zip(colours, shown, strict=True):
        assert {span["style"].split(";")[0] for span in card(data).find_all("span")} == {f"color:{colour}"}
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5  # contrast on white


VARYING = [
    ("close", [(0.1234, 0.5), (0.4321, 0.5)], {"atol": 1}),
    ("close", [([0.1234] * 7, 0.5), ([0.4321] * 7, 0.5)], {"atol": 1}),
    ("above", [(0.1234, 0.0), (0.4321, 0.0)], {}),
    ("above", [([0.1234, 7.0], [0.01, 0.02]), ([0.4321, 8.0], [0.03, 0.04])], {"by": 0.05}),
    ("below", [(-0.1234, 0.0), (-0.4321, 0.0)], {"by": 0.1}),
    ("rate", [(bools(16, 16),), (bools(15, 16),)], {"above": 0.5}),
    ("rate", [(bools(0, 16),), (bools(1, 16),)], {"below": 0.5}),
    ("rate", [(bools(16, 16),), (bools(15, 16),)], {"over": bools(1, 16)}),
    ("rate", [(bools(16, 16),), (bools(15, 16),)], {"over": bools(1, 16), "paired": True}),
    ("rate", [(bools(60, 64),), (bools(50, 64),)], {"above": 0.5, "of": "worlds"}),
]


@pytest.mark.parametrize(("check", "measured", "how"), VARYING)
def test_the_compared_text_holds_no_measured_digit(shown, check, measured, how):
    for arguments in measured:
        getattr(claim("true"), check)(*arguments, what="it", **how)
        claims._shown.clear()
        claims._last.clear()
    (one, first), (other, second) = shown
    assert one["text/plain"] == other["text/plain"]
    assert first["figures"] != second["figures"]
    assert first["figures"] in card(one).get_text()


def test_a_rate_names_its_seeds_in_the_text(shown):
    claim("true").rate(bools(16, 16), above=0.5, what="all kept")
    assert shown[0][0]["text/plain"] == "✓ The sentence of true. [holds; all kept in more than 50 % of 16 seeds; seeds]"


def test_the_record_holds_what_the_evidence_needs(shown):
    claim("wrong").printed.rate(bools(15, 16), above=0.5, what="all kept", worlds=bools(38, 64))
    assert shown[0][1] == {
        "claim": "wrong",
        "role": "printed",
        "kind": "rate",
        "what": "all kept",
        "bound": "in more than 50 % of 16 seeds",
        "figures": "15 of 16 seeds, interval 70 to 100 %; 38 of 64 worlds, interval 46 to 71 %",
        "count": 16,
        "of": "seeds",
        "k": 15,
        "n": 16,
        "share": 0.5,
        "side": "above",
        "p": binomial(15, 16, above=0.5),
        "worlds": (38, 64),
        "rung": "seeds",
        "anchor": "claim-wrong-printed",
    }
    json.dumps(shown[0][1])


def test_a_comparison_records_its_counts_and_its_p_value(shown):
    ours, theirs = bools(14, 16), bools(16, 16) & ~bools(13, 16)  # 14 won, 3 lost; one pair succeeds twice
    claim("true").rate(ours, over=theirs, what="it").rate(ours, over=theirs, paired=True, what="it")
    (_, free), (_, paired) = shown
    assert (free["other"], free["p"]) == ([3, 16], barnard(14, 16, 3, 16)) and "split" not in free
    assert (paired["other"], paired["split"], paired["p"]) == ([3, 16], [13, 2], mcnemar(13, 2))
    assert paired["bound"] == "more often than the other, paired, p < 0.01, in 16 seeds"


def test_pairs_need_two_outcomes_each(small):
    with pytest.raises(ValueError, match="expected two outcomes a pair, got 16 and 12"):
        claim("true").rate(bools(16, 16), over=bools(1, 12), paired=True, what="it")


@pytest.mark.parametrize("how", [{"of": "runs"}, {"of": "worlds", "worlds": [True]}])
def test_a_rate_is_of_seeds_or_of_worlds(small, how):
    with pytest.raises(ValueError, match="expected of='seeds', or 'worlds'"):
        claim("true").rate(bools(16, 16), above=0.5, what="it", **how)


def test_a_comma_that_leads_to_the_bound_is_not_shown_before_a_colon(shown):
    claim("true").above(2, 1, what="rate of the one, against the other,")
    ((data, _),) = shown
    assert card(data).find(class_="measured").get_text().startswith("rate of the one, against the other: 2")


def test_more_evidence_for_a_card_says_also(shown):
    claim("wrong").above(2, 1, what="a").rate(bools(16, 16), above=0.5, what="b")
    claim("wrong").printed.above(3, 1, what="c").above(4.5, 1, what="d")
    assert [data["text/plain"] for data, _ in shown] == [
        "✓ The sentence of wrong. [the right form holds; a above 1; one case]",
        "✓ also [the right form holds; b in more than 50 % of 16 seeds; seeds]",
        "✗ What the source says. [as the source has it: fails; c above 1; one case]",
        "✗ also [as the source has it: fails; d above 1; one case]",
    ]
    last = BeautifulSoup(shown[-1][0]["text/html"], "html.parser").find(class_="claim")
    assert (last["id"], last.get_text()) == (
        "claim-wrong-printed-2",
        "✗ also: d: 4.5 against 1 · asked: above 1 · one case",
    )
    colours = [re.search("#[0-9a-f]{6}", data["text/html"])[0] for data, _ in shown]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_also_needs_the_same_card_just_above_in_the_same_cell(shown, monkeypatch):
    claim("wrong").above(2, 1, what="it")
    monkeypatch.setattr(SHELL, "execution_count", 4)
    claim("wrong").above(3, 1, what="it")
    claim("wrong").printed.above(2, 1, what="it")
    claim("wrong").above(4, 1, what="it")
    assert not [data for data, _ in shown if "also" in data["text/plain"]]


def test_a_cell_is_told_by_its_code_where_the_count_stands_still(shown):
    for cell in ("cell 1", "cell 2"):
        exec(compile("claim('wrong').above(2, 1, what='it').above(3, 1, what='it')", cell, "exec"), {"claim": claim})
    assert ["also" in data["text/plain"] for data, _ in shown] == [False, True, False, True]


def test_every_card_has_a_place_of_its_own(shown):
    for _ in range(3):
        claim("wrong").above(2, 1, what="it")
        claim("wrong").printed.above(2, 1, what="it")
        claim("slip").above(2, 1, what="it")
    anchors = [record["anchor"] for _, record in shown]
    assert len(set(anchors)) == 9
    assert anchors[:4] == ["claim-wrong", "claim-wrong-printed", "claim-slip", "claim-wrong-2"]
    assert anchors == [re.search('id="([^"]*)"', data["text/html"])[1] for data, _ in shown]


def test_a_check_as_the_last_line_of_a_cell_shows_its_card_and_no_more(shown):
    assert DisplayFormatter().format(claim("true").above(2, 1, what="it")) == ({}, {})
    assert len(shown) == 1


def test_outside_a_notebook_the_text_is_printed(small, capsys):
    claim("true").above(2, 1, what="it")
    assert capsys.readouterr().out == "✓ The sentence of true. [holds; it above 1; one case]\n"


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
    claim("true").close(1, 1, atol=bound, what="it")
    claim("true").below(-3 * bound, -bound, what="it")
    claim("true").above(torch.tensor(2 * bound), 0, by=bound, what="it")
    bounds = [record["bound"] for _, record in shown]
    assert bounds == [f"within {text}", f"below −{text}", f"above 0 by {text}"]


def test_no_tolerance_is_written_exactly(shown):
    claim("true").close(1, 1, atol=0, what="it")
    assert shown[0][1]["bound"] == "exactly"


def test_importing_the_module_imports_nothing_heavy():
    heavy = ("torch", "numpy", "scipy", "matplotlib", "IPython", "yaml", "sympy")
    code = f"import sys, ganlib.claims, ganlib.evidence; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
