"""What papers print: each number has its place in a paper that the bibliography knows, and can be what it says."""

import math
import re
from collections import Counter
from pathlib import Path
from statistics import stdev

import pytest
import torch
from scipy.stats import binom

import ganlib
from ganlib.densities import grid
from ganlib.results import published

ROOT = Path(__file__).resolve().parents[1]
PRINTED = published()
MOST = {"ring": 8, "grid": 25, "1200-D": 10, "stacked": 1000, "D/4": 1000, "D/2": 1000}  # modes
KEYS = ["paper", "table", "row", "column", "value", "error", "runs", "samples", "protocol", "seen"]


def where(p):
    return p["paper"], p["table"], p["row"], p["column"]


def test_each_number_is_in_a_paper_of_the_bibliography():
    text = (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8")
    assert {p["paper"] for p in PRINTED} <= set(re.findall(r"^@\w+\{(\S+),", text, re.M))


def test_each_number_has_one_place():
    assert len(PRINTED) == 106 and all(list(p) == KEYS for p in PRINTED)
    assert max(Counter(map(where, PRINTED)).values()) == 1
    assert all(re.fullmatch(r"(Table|Figure) \d", p["table"]) for p in PRINTED)


@pytest.mark.parametrize("p", PRINTED, ids=lambda p: " ".join(where(p)))
def test_a_number_can_be_what_it_says(p):
    mixture, kind = p["column"].split()
    top = {"modes": MOST[mixture], "near": 100, "KL": 7}[kind]  # log 1000 is 6.9
    assert 0 <= p["value"] <= top
    assert p["error"] == "" or 0 <= p["error"] < top / 4
    assert p["runs"] in ("", 5, 10, 50) and p["samples"] in ("", 2500, 25600, 26000)
    assert p["protocol"] in ("exact", "other") and p["seen"] in ("picture", "transcript")
    assert p["protocol"] == "other" or (p["runs"] and p["samples"] and p["seen"] == "picture")


# What chapters/evidence/published_tables.ipynb says of them

PERFECT, N = 1 - math.exp(-4.5), 2500  # the near share of a perfect sampler, samples


def shown(paper, column, table="Table 1"):
    rows = [p for p in PRINTED if (p["paper"], p["table"], p["column"]) == (paper, table, column)]
    return {p["row"]: (p["value"], p["error"]) for p in rows}


def most(s, k):
    """The most modes that a near share captures on average."""
    return k * (1 - (1 - s / k) ** N)


@pytest.mark.parametrize("paper, runs", [("srivastava2017veegan", 5), ("lin2018pacgan", 10)])
@pytest.mark.parametrize("name, k", [("ring", 8), ("grid", 25)])
def test_no_row_captures_more_than_its_near_share_allows(paper, runs, name, k):
    modes, near = shown(paper, f"{name} modes"), shown(paper, f"{name} near")
    for row in modes:
        top = most(near[row][0] / 100, k)
        chance = math.sqrt(top * (1 - top / k) / runs) + 1e-6  # modes shared alike
        lower = -1 if (paper, name, row) == ("srivastava2017veegan", "ring", "ALI") else 0
        assert lower <= (top - modes[row][0]) / chance
    if (paper, name) == ("srivastava2017veegan", "ring"):
        assert most(near["ALI"][0] / 100, k) == pytest.approx(2.7, abs=0.05)


def test_five_runs_of_a_perfect_sampler_have_hardly_so_many_near_points_as_one_row():
    near, _ = shown("srivastava2017veegan", "ring near")["GAN"]
    points = math.ceil((near - 0.05) / 100 * 5 * N)  # what rounds to it
    assert binom.sf(points - 1, 5 * N, PERFECT) < 1e-4
    assert binom.sf(math.ceil((near - 0.05) / 100 * N) - 1, N, PERFECT) > 0.01  # one run could


def test_a_plain_row_is_three_errors_below_a_perfect_sampler():
    mean, error = shown("lin2018pacgan", "ring near")["GAN"]
    assert 3 < (100 * PERFECT - mean) / error < 4


def test_five_runs_have_all_modes_where_one_has_a_fortieth_of_the_others():
    share = torch.tensor([40.0] * 7 + [1]).double() / 281 * 0.529
    assert 0.95 < (1 - (1 - share) ** N).prod() ** 5 < 0.97
    share = torch.tensor([100.0] * 7 + [1]).double() / 701 * 0.529
    assert (1 - (1 - share) ** N).prod() ** 5 < 0.5


def test_near_points_alone_give_even_points_a_greater_divergence():
    x = 8 * torch.rand(64, N, 2, generator=(g := ganlib.rng(1)), device=g.device).cpu() - 4
    distance, nearest = torch.cdist(x, grid(0.05).centres.float()).min(-1)
    kl = []
    for keep in (distance < 9, distance < 0.15):
        share = (torch.nn.functional.one_hot(nearest, 25) * keep[..., None]).sum(-2).double()
        share = share / share.sum(-1, keepdim=True)
        kl.append((torch.special.xlogy(share, share).sum(-1) + math.log(25)).mean().item())
    assert kl == [pytest.approx(0.104, abs=0.01), pytest.approx(0.42, abs=0.05)]


def lost(total, runs, largest):
    """Ways to spread lost modes over runs."""
    if runs == 0:
        return [[]] if total == 0 else []
    return [[x, *rest] for x in range(min(total, largest), -1, -1) for rest in lost(total - x, runs - 1, x)]


@pytest.mark.parametrize(
    "row, name, k, whole",
    [
        ("PacGAN2", "ring", 8, [9]),
        ("PacGAN3", "ring", 8, [8]),
        ("PacGAN4", "ring", 8, [8]),
        ("PacGAN2", "grid", 25, [4, 5, 6, 7]),
        ("PacGAN3", "grid", 25, [9]),
        ("PacGAN4", "grid", 25, [9]),
    ],
)
def test_runs_with_all_modes_follow_from_mean_and_error(row, name, k, whole):
    mean, error = shown("lin2018pacgan", f"{name} modes")[row]
    sets = [m for m in lost(round(10 * (k - mean)), 10, k) if abs(stdev(m) / 10**0.5 - error) < 0.05]
    assert sorted({m.count(0) for m in sets}) == whole and (len(sets) == 1) == (len(whole) == 1)


@pytest.mark.parametrize("row, most_whole", [("GAN", 4), ("ALI", 3)])
def test_plain_runs_on_the_ring_have_all_modes_in_fewer(row, most_whole):
    mean, error = shown("lin2018pacgan", "ring modes")[row]
    sets = [m for m in lost(round(10 * (8 - mean)), 10, 8) if abs(stdev(m) / 10**0.5 - error) < 0.05]
    assert max(m.count(0) for m in sets) == most_whole


def test_three_numbers_are_no_means_of_five_whole_ones():
    columns = [(f"{name} modes", "Table 1") for name in ("ring", "grid", "1200-D")] + [("stacked modes", "Table 2")]
    values = [value for column in columns for value, _ in shown("srivastava2017veegan", *column).values()]
    assert [v for v in values if abs(5 * v - round(5 * v)) > 1e-9] == [3.3, 5.5, 48.7] and len(values) == 16
