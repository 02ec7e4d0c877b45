"""The script that makes the shipped table: figures alone, with source, commit and licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.evidence_table import table
from flatfield.evidence.listed import from_csv

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "openhands_index_trials.csv": (
        "agent,model,benchmark,instance_id,resolved,cost_usd",
        "openhands,Alpha-1,swe-bench,x-1,1,0.5",
        "openhands,Alpha-1,swe-bench,x-2,0,0.0",
        "acp-codex,Beta,swe-bench,x-1,1,0.0",
        "acp-codex,Beta,swe-bench,x-2,,",
    ),
    "openhands_index_scores.csv": (
        "agent,model,benchmark,score,cost_per_instance_usd,average_runtime_s,submission_time,openness,parameter_count_b",
        "openhands,Alpha-1,swe-bench,74.4,0.4,261.0,2026-03-27T08:40:20+00:00,open_weights,80",
        "acp-codex,Beta,swe-bench,73.8,1.17,,2026-05-04T00:00:00+00:00,closed_api_available,",
    ),
    "aider_polyglot.csv": (
        "model,edit_format,date,test_cases,pass_num_2,seconds_per_case,total_cost",
        "Gamma (high),diff,2025-08-23,225,90,20.5,45.0",
        "Delta,whole,2025-08-23,225,9,20.5,0.0",
    ),
    "tau2_leaderboard.csv": (
        (
            "model,submitter,date,type,modality,reasoning_effort,domain,pass_1,cost_usd_per_task,user_simulator,"
            "verified_modified_prompts"
        ),
        "Epsilon,Somebody,2026-02-26,standard,text,high,retail,50.0,0.25,gamma-2,False",
        "Epsilon,Somebody,2026-02-26,standard,text,high,telecom,,,gamma-2,False",
    ),
}


def test_figures_alone_with_source_commit_and_licence(tmp_path: Path) -> None:
    for name, lines in FILES.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = from_csv(table(tmp_path))
    found = {row.model: row for row in rows if row.scaffold != "nano-agent"}
    assert set(found) == {"Alpha-1", "Beta", "Gamma (high)", "Delta", "Epsilon"}
    assert (found["Alpha-1"].solved, found["Alpha-1"].usd, found["Alpha-1"].weights_b) == (372, 0.5, 80)
    assert (found["Beta"].scaffold, found["Beta"].usd, found["Beta"].seconds) == ("Codex", 1.17, None)
    assert (found["Gamma (high)"].usd, found["Delta"].usd) == (0.2, None)
    assert (found["Epsilon"].solved, found["Epsilon"].tasks) == (57, 114)
    assert len([row for row in rows if row.scaffold == "nano-agent"]) == 9
    assert {row.source for row in rows} == {
        "OpenHands/openhands-index-results@3015ac6",
        "Aider-AI/aider@5dc9490b",
        "sierra-research/tau2-bench@a2c0247",
        "nano-agent, August 2025",
    }
    assert "x-1" not in table(tmp_path)  # no single outcome
