"""The newest migration is known without the library that runs it."""

from alembic.script import ScriptDirectory

from layers.schema import _MIGRATIONS, expected_revision


def test_the_revision_expected_is_the_head_of_the_migrations() -> None:
    assert expected_revision() == ScriptDirectory(str(_MIGRATIONS)).get_current_head()
