"""Nothing counts until the counter's limit is right."""

import importlib
import tomllib
from pathlib import Path

import pytest


def app(name):
    entry = tomllib.loads(Path("service.toml").read_text())[name]["entry"]
    return importlib.import_module(entry)


@pytest.fixture(autouse=True)
def the_limit_is_right():
    assert app("counter").surcharge({{limit}}) == 0


@pytest.fixture
def counter():
    return app("counter")


@pytest.fixture
def kiosk():
    return app("kiosk")
