import {{package}}.legacy
import {{package}}.records


def test_the_old_name_is_gone():
    assert not hasattr({{package}}.legacy, "{{old}}")
    assert not hasattr({{package}}.records, "{{old}}")


def test_nothing_else_changed():
    text = "a T 1 # x\n\n b U 2\n"
    assert {{package}}.records.{{new}}(text, None) == [("T", 1), ("U", 2)]
    assert {{package}}.records.{{new}}(text, "b") == [("U", 2)]
    assert {{package}}.legacy.stamp(7) == "P-000007"
