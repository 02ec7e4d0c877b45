"""The list of protected names: every entry in every form that some file system takes for the same name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.agent.files.protected import HELD_BYTES, Claim, claims, completes, folded, in_worktree, secret, table

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

NAMES = [(rule, name) for rule in table().name for name in rule.names]
UNSEEN = "\u200c\u200d\ufeff\u00ad\u2060\ufe0f\u034f\u202e\U000e0041"


def plain(name: str) -> str:
    """A name that the pattern means."""
    return name.replace("*", "a")


def wide(name: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" and letter != "/" else letter for letter in name)


def found(path: str) -> list[Claim]:
    return list(claims(path.split("/")))


FORMS: dict[str, Callable[[str], str]] = {
    "as written": lambda name: name,
    "upper case": str.upper,
    "lower case": str.lower,
    "wide letters": wide,
    "an unseen letter": lambda name: "/".join(f"{part[:1]}\u200c{part[1:]}" for part in name.split("/")),
    "dots and blanks at the end": lambda name: "/".join(f"{part}. ." for part in name.split("/")),
    "a stream": lambda name: f"{name}::$DATA",
    "backslashes": lambda name: name.replace("/", "\\"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_name_is_protected_in_every_form_and_at_every_depth(form: str) -> None:
    for rule, name in NAMES:
        written = FORMS[form](plain(name))
        for path in (written, f"a/b/{written}", f"{written}/below/it", f"a/{written}/x"):
            assert rule.reason in {claim.reason for claim in found(path)}, path


@pytest.mark.parametrize(
    "path",
    [
        "mise.toml", "mise.local.toml", "mise.production.toml", ".mise.toml", ".mise.local.toml", ".mise/config.toml",
        ".config/mise.toml", ".env", ".env.local", ".env-prod", ".env_test", ".envrc", ".envrc.local",
        ".config/Code/User/settings.json", ".config/Code - Insiders/User/tasks.json", ".config/VSCodium/User/x",
        ".config/Cursor/User/settings.json", ".config/zed/settings.json", ".xonshrc", ".config/nushell/config.nu",
        "Library/Application Support/Code/User/settings.json",
    ],
)  # fmt: skip
def test_what_lies_in_a_home_folder_or_runs_on_entering_is_protected(path: str) -> None:
    assert found(path)
    assert found(f"deep/{path.upper()}")


@pytest.mark.parametrize(
    ("path", "at"),
    [(".git/config", ".git"), ("a/.github/workflows/ci.yml", "a/.github/workflows"), ("x/.ENV", "x/.ENV")],
)
def test_a_claim_says_which_part_it_is_of(path: str, at: str) -> None:
    assert ["/".join(claim.at) for claim in found(path)][:1] == [at]


@pytest.mark.parametrize(
    "name",
    ["GIT~1", "git~2/config", "GI7EBA~1", "ENV~1", "ENV~1.LOC", "FLATFI~1.TOM", "PRE-CO~1.YAM", "CLAUDE~1", "BASHRC~1"],
)
def test_short_names_of_ntfs_are_the_names_that_they_stand_for(name: str) -> None:
    assert found(name)
    assert found(name.lower())


@pytest.mark.parametrize(
    "path",
    [
        "README.md", "src/main.py", ".gitignore", ".gitattributes", ".gitkeep", ".env.example", ".ENV.Sample",
        ".env.template", "x.envy", ".prettierrc", "Dockerfile", "docker-compose.yml",
        "github/workflows/x.yml", ".github/README.md", "workflows/ci.yml", "git/config", "environment.py",
        "env/x.py", "dot.git",
        "docs/agent.txt", "package.json", "Makefile", "pyproject.toml", "conftest.py", "example.env",
        ".editorconfig", "a~1",
        "weights.pth", "config.json", "key.pem", "vscode/x",
        "miserable.toml", "mise.md", ".miserc", "misery/config.toml", ".envoy.yaml", ".environment", ".environment/x",
        ".envs", ".env.local.example", ".config/Code.md", "Code/User/settings.json",
    ],
)  # fmt: skip
def test_ordinary_work_is_not_protected(path: str) -> None:
    assert found(path) == []


def test_agent_files_are_claimed_under_a_condition() -> None:
    [claim] = found("pkg/agents/helper.md")
    assert (claim.beside, claim.beside_at, claim.at) == ("flatfield.toml", ("pkg",), ("pkg", "agents", "helper.md"))
    assert found("pkg/agents/helper.txt") == []


def test_secrets_are_sealed_and_the_rest_may_be_read() -> None:
    sealed = {name for rule, name in NAMES if rule.sealed}
    assert {".env", ".env.*", ".envrc", ".ssh", ".netrc", "_netrc", ".aws", ".gnupg", ".kube", ".docker/config.json",
            ".config/gh", ".npmrc", ".pypirc", ".git-credentials", ".flatfield"} <= sealed  # fmt: skip
    assert not {".git", "flatfield.toml", "AGENTS.md", ".github/workflows", ".vscode"} & sealed


def test_the_store_alone_can_be_opened_by_nobody() -> None:
    assert [rule.names for rule in table().name if rule.always] == [(".flatfield",)]


def test_every_entry_says_why() -> None:
    reasons = [rule.reason for rule in table().name] + [shape.reason for shape in table().shape]
    for reason in (*reasons, *(content.reason for content in table().content)):
        assert len(reason) > 10
    assert len(NAMES) > 250


# ------------------------------------------------------------------------ laws

ONE = st.sampled_from([plain(name) for _, name in NAMES])


def disguised(draw: st.DrawFn, name: str) -> str:
    """A name as some file system takes it for the same."""
    letters = []
    for letter in name:
        how = draw(st.integers(0, 5))
        written = letter.upper() if how == 1 else letter.swapcase() if how == 2 else letter
        letters.append(wide(written) if how == 3 and letter != "/" else written)
        if how == 4 and letter != "/":
            letters.append(draw(st.sampled_from(UNSEEN)))
    end = draw(st.sampled_from(["", ".", " ", "...", " . ", "::$INDEX_ALLOCATION", ":x"]))
    return "".join(letters) + end


@given(st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_path_with_a_protected_part_gets_through(data: st.DataObject) -> None:
    part = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=8)
    above, below = data.draw(st.lists(part, max_size=3)), data.draw(st.lists(part, max_size=3))
    name = data.draw(ONE)
    path = [*above, *disguised(data.draw, name).split("/"), *below]  # type: ignore[arg-type]
    assert list(claims(path)), path


@given(st.text(max_size=40))
@settings(deadline=None)
def test_folding_is_done_at_once(name: str) -> None:
    assert folded(folded(name)) == folded(name)


# ------------------------------------------------------------------------ shapes, contents, worktrees


@pytest.mark.parametrize(
    ("there", "new", "protected"),
    [
        (["HEAD", "objects"], "refs", True),
        (["objects", "refs"], "head", True),
        (["HEAD"], "commondir", True),
        ([], "pyvenv.cfg", True),
        (["HEAD", "refs"], "readme", False),
        (["objects", "refs"], "tail", False),
    ],
)
def test_shapes(there: list[str], new: str, *, protected: bool) -> None:
    assert (completes(new, there) is not None) == protected


KEYS = [
    "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    "-----BEGIN PRIVATE KEY-----\n",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "\n\n  -----BEGIN EC PRIVATE KEY-----\n",
    "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n",
    "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n" * 200 + "-----BEGIN PRIVATE KEY-----\nx\n",
    "Bag Attributes\n    friendlyName: me\n-----BEGIN PRIVATE KEY-----\n",
    "# made by hand\n-----BEGIN PRIVATE KEY-----\n",
    "PuTTY-User-Key-File-3: ssh-ed25519\n",
    "SSH PRIVATE KEY FILE FORMAT 1.1\n",
    "# created: 2025-01-01\n# public key: age1xyz\nAGE-SECRET-KEY-1QQQ\n",
    "AGE-PLUGIN-YUBIKEY-1QQQ\n",
    "This is the key of the server.\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n",
    "\n\n\ufeff\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n",
    "pgp:\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVYBGF\n",
    "data:\n  key: |\n    -----BEGIN EC PRIVATE KEY-----\n    MHcCAQEE\n",
    'KEY = """\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"""\n',
    "x\n" * 2000 + "-----BEGIN PRIVATE KEY-----\nMIIE\n",
    '{\n  "type": "service_account",\n  "private_key": "-----BEGIN PRIVATE KEY-----\\nMII"\n}',
]


@pytest.mark.parametrize("text", KEYS, ids=range(len(KEYS)))
def test_private_keys_are_known_by_their_content_whatever_their_name(text: str) -> None:
    for data in (text.encode(), text.replace("\n", "\r\n").encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert secret("notes.txt", data) is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", "-----BEGIN PUBLIC KEY-----\n",
        'KEY = """\n-----BEGIN PRIVATE KEY-----\n"""', "A key begins with -----BEGIN PRIVATE KEY-----",
        "Paste it:\n\n    -----BEGIN PRIVATE KEY-----\n    ...\n", "x\n-----BEGIN PRIVATE KEY----- is it\n",
        "x = 1\nMARK = '-----BEGIN PRIVATE KEY-----'\n", "a\n-----BEGIN PRIVATE KEY-----\n```\n",
        '{"private": 1}',
        "ssh-ed25519 AAAA me@here", "age1xyz", "#!/bin/sh\n# AGE-SECRET-KEY-1 is what keys begin with\necho",
    ],
)  # fmt: skip
def test_what_only_speaks_of_keys_is_none(text: str) -> None:
    assert secret("notes.txt", text.encode()) is None


@pytest.mark.parametrize(
    "filling",
    [
        "-----BEGIN PRIVATE KEY-----\n",
        *(
            pytest.param(more, marks=pytest.mark.slow)
            for more in ("\n", " ", "-----BEGIN PRIVATE KEY-----\n\n\n\t", "url = ", "a: ", "#\n")
        ),
    ],
)
def test_no_content_keeps_the_search_busy(filling: str) -> None:
    text = "note\nPRIVATE KEY\n" + filling * (HELD_BYTES // len(filling))
    for start in ("", "-----BEGIN PRIVATE KEY-----\nx", '{"private_key"', "a: "):
        assert secret("config", f"{start}{text}".encode()[:HELD_BYTES]) is None or "BEGIN" in start + filling


@pytest.mark.parametrize("content", table().content)
def test_the_example_of_each_content_is_one(content: object) -> None:
    names = content.names or ("any",)  # type: ignore[attr-defined]
    assert secret(names[0], content.example.encode()) == content  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ('[remote "o"]\n\turl = https://me:ghp_x@git.example/x.git', True),
        ('[remote "o"]\n\turl = https://ghp_x@git.example/x.git', True),
        ('[http "https://git.example/"]\n\textraheader = AUTHORIZATION: basic abc', True),
        ('[url "https://me:pw@git.example/"]\n\tinsteadOf = x:', True),
        ('[remote "o"]\n\turl = https://git.example/x.git', False),
        ('[remote "o"]\n\turl = git@git.example:x.git', False),
        ('[remote "o"]\n\turl = ssh://git@git.example/x.git', False),
    ],
)
def test_tokens_in_a_git_configuration(text: str, *, is_secret: bool) -> None:
    assert (secret("config", text.encode()) is not None) == is_secret
    assert secret("other", text.encode()) is None


@pytest.mark.parametrize(
    ("path", "length"),
    [
        ("/home/me/p/.claude/worktrees/x", 7),
        ("/home/me/p/.claude/worktrees/x/src", 7),
        ("/home/me/.cursor/worktrees/p", 6),
        ("/home/me/.claude/worktrees", 0),
        ("/home/me/.claude/skills/x", 0),
        ("/home/me/worktrees/x", 0),
    ],
)
def test_worktrees(path: str, length: int) -> None:
    assert in_worktree(PurePosixPath(path).parts) == length
