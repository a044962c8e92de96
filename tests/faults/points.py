"""The points at which a load is killed: a table of data.

Each point names a function of the project, a statement to the database or the end of the load's
transaction. The process that runs the load dies there (see ``driver.py``); nothing of that is in
the project's own code.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A function, as ``module:qualified.name``; ``after`` it has returned, else before."""

    target: str
    after: bool = False
    nth: int = 1


@dataclass(frozen=True)
class Statement:
    """A statement whose text holds a regular expression; ``after`` it has ended, else before."""

    holds: str
    after: bool = False
    nth: int = 1


@dataclass(frozen=True)
class Commit:
    """The COMMIT of the load's own transaction, before it is sent or after it was answered."""

    after: bool = False


@dataclass(frozen=True)
class KillPoint:
    """Where a load is killed."""

    id: str
    #: What is done: a key of ``paths.PATHS``.
    path: str
    #: The place in words.
    where: str
    how: Call | Statement | Commit
    #: Whether it belongs to the quick tests.
    quick: bool = False
    #: Whether the load is done by then.
    done: bool = False


_SESSION = "layers.load_session:LoadSession."
_ASIDE = "layers.row_writers:AsideWriter."
_CLOSES = r"^UPDATE city\.land_parcel SET recorded_to"
_OPENS = r"^INSERT INTO city\.land_parcel"
_TO_DONE = r"^UPDATE onemap\.load SET .*recorded_at"

KILL_POINTS = (
    # A first load: rows are sorted on this side and go into a table aside.
    KillPoint("first-hashed", "first", "the source is hashed, nothing is open",
              Call("etl.checksums:SourceChecksum.value", after=True)),
    KillPoint("first-registered", "first", "the load's record says what it is",
              Call("layers.store:Store._register", after=True)),
    KillPoint("first-locked", "first", "the layer's lock is taken",
              Call("layers.store:Store._take_lock", after=True)),
    KillPoint("first-sorting", "first", "the third batch is sorted on disk",
              Call("layers.row_sorter:RowSorter.add", nth=3), quick=True),
    KillPoint("first-read", "first", "all rows are read, none is in the database",
              Call(_ASIDE + "complete")),
    KillPoint("first-copying", "first", "in the middle of COPY",
              Call("layers.copy_stream:CopyStream.read", nth=2)),
    KillPoint("first-copied", "first", "the rows are copied",
              Call("layers.row_writers:_copy", after=True)),
    KillPoint("first-index", "first", "before the first index is built over the rows",
              Statement(r"^CREATE .*INDEX .*", nth=2)),
    KillPoint("first-indexed", "first", "the last index is built",
              Call(_ASIDE + "complete", after=True)),
    KillPoint("first-check", "first", "the check of overlaps looks at the whole",
              Call("etl.layer_checks:LayerChecks.survey")),
    KillPoint("first-dropped", "first", "the layer's empty table is dropped",
              Statement(r"DROP TABLE city\.land_parcel", after=True), quick=True),
    KillPoint("first-renamed", "first", "the table aside has taken its place",
              Call(_ASIDE + "take_place", after=True)),
    KillPoint("first-published", "first", "the layer's figures are changed",
              Call("layers.load_session:publish_layer", after=True)),
    KillPoint("first-before-commit", "first", "before COMMIT", Commit()),
    KillPoint("first-after-commit", "first", "just after COMMIT", Commit(after=True),
              quick=True, done=True),
    # A first load that several sessions do beside its own: the table aside is committed early.
    KillPoint("wide-made", "wide", "the empty table aside is committed",
              Call(_ASIDE + "_reserve_ids"), quick=True),
    KillPoint("wide-copying", "wide", "two sessions are in the middle of COPY",
              Call("layers.copy_stream:CopyStream.read", nth=4)),
    KillPoint("wide-copied", "wide", "both have committed their rows",
              Call("layers.row_sorter:RowSorter.close")),
    KillPoint("wide-index", "wide", "before the first index is built over the rows",
              Call("layers.row_writers:_create")),
    KillPoint("wide-indexing", "wide", "one index is built, another is under way",
              Call("layers.row_writers:_create", after=True), quick=True),
    KillPoint("wide-indexed", "wide", "all indexes are committed",
              Call(_ASIDE + "settle", after=True)),
    KillPoint("wide-dropped", "wide", "the layer's empty table is dropped",
              Statement(r"DROP TABLE city\.land_parcel", after=True)),
    KillPoint("wide-renamed", "wide", "the table aside has taken its place",
              Call(_ASIDE + "take_place", after=True)),
    KillPoint("wide-before-commit", "wide", "before COMMIT", Commit(), quick=True),
    KillPoint("wide-after-commit", "wide", "just after COMMIT", Commit(after=True), done=True),
    # A complete survey of a layer that has one: rows are staged and compared.
    KillPoint("again-staging", "again", "the third batch goes to the stage",
              Call(_SESSION + "stage", nth=3), quick=True),
    KillPoint("again-quarantined", "again", "a refused row is in quarantine",
              Call("layers.load_session:insert_refused", after=True)),
    KillPoint("again-copying", "again", "in the middle of COPY into the stage",
              Call("layers.copy_stream:CopyStream.read", nth=3)),
    KillPoint("again-check", "again", "the whole survey is checked",
              Call("etl.load:check_survey")),
    KillPoint("again-rejected", "again", "what overlaps has left the stage",
              Call(_SESSION + "reject", after=True)),
    KillPoint("again-different", "again", "the differences are found",
              Call("layers.load_session:find_missing", after=True)),
    KillPoint("again-close", "again", "before versions are closed",
              Statement(_CLOSES)),
    KillPoint("again-closed", "again", "versions are closed, none is opened",
              Statement(_CLOSES, after=True), quick=True),
    KillPoint("again-kept", "again", "what was so before the survey is recorded anew",
              Statement(_OPENS, after=True)),
    KillPoint("again-opened", "again", "the survey's versions are opened",
              Statement(_OPENS, after=True, nth=2)),
    KillPoint("again-ancestry", "again", "the ancestry of split parcels is recorded",
              Call("layers.load_session:record_ancestry", after=True)),
    KillPoint("again-published", "again", "the layer's figures are changed",
              Call("layers.load_session:publish_layer", after=True)),
    KillPoint("again-settled", "again", "before the record says that it is done",
              Statement(_TO_DONE)),
    KillPoint("again-before-commit", "again", "before COMMIT", Commit(), quick=True),
    KillPoint("again-after-commit", "again", "just after COMMIT", Commit(after=True), done=True),
    # A survey that comes packed: its folder of temporary files is left behind.
    KillPoint("packed-unpacked", "packed", "the archive is unpacked",
              Call("etl.archives:_unpack", after=True)),
    KillPoint("packed-staging", "packed", "the second batch is sorted on disk",
              Call("layers.row_sorter:RowSorter.add", nth=2)),
    # Refused rows that were mended.
    KillPoint("repair-locked", "repair", "the refused rows are locked",
              Call("etl.repair:read_refused", after=True)),
    KillPoint("repair-opened", "repair", "the mended row is a version",
              Statement(_OPENS, after=True, nth=2)),
    KillPoint("repair-resolved", "repair", "the refused row is marked as taken in",
              Call("layers.load_session:resolve", after=True)),
    KillPoint("repair-before-commit", "repair", "before COMMIT", Commit()),
    KillPoint("repair-after-commit", "repair", "just after COMMIT", Commit(after=True), done=True),
    # A load that is taken back.
    KillPoint("revert-found", "revert", "what must change is found",
              Call("layers.reverting:_count", after=True)),
    KillPoint("revert-closed", "revert", "the load's versions are closed",
              Call("layers.reverting:_close", after=True)),
    KillPoint("revert-opened", "revert", "what it had closed is opened anew",
              Call("layers.reverting:_open", after=True)),
    KillPoint("revert-marked", "revert", "the load taken back is marked",
              Call("layers.store:mark_reverted", after=True)),
    KillPoint("revert-before-commit", "revert", "before COMMIT", Commit()),
    KillPoint("revert-after-commit", "revert", "just after COMMIT", Commit(after=True), done=True),
)  # fmt: skip
BY_ID = {point.id: point for point in KILL_POINTS}
