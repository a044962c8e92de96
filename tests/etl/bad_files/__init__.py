"""Bad files as data: how each is made, and what has to become of it.

``BAD_FILES`` is the table; ``tests/etl/test_bad_files.py`` tries every row of it against the whole
load, and ``benchmarks/faults.py`` prints it with what came out.
"""

from tests.etl.bad_files.archives import ARCHIVES
from tests.etl.bad_files.case import BadFile
from tests.etl.bad_files.databases import DATABASES
from tests.etl.bad_files.json_files import JSON_FILES
from tests.etl.bad_files.places import PLACES
from tests.etl.bad_files.real import REAL_FILES
from tests.etl.bad_files.rows import ROWS
from tests.etl.bad_files.shapefiles import SHAPEFILES
from tests.etl.bad_files.tables import TABLES
from tests.etl.bad_files.trades import TRADES
from tests.etl.bad_files.unknown import UNKNOWN
from tests.etl.bad_files.xml_files import XML_FILES

BAD_FILES: tuple[BadFile, ...] = (
    *UNKNOWN,
    *SHAPEFILES,
    *DATABASES,
    *JSON_FILES,
    *XML_FILES,
    *TABLES,
    *TRADES,
    *ARCHIVES,
    *PLACES,
    *ROWS,
    *REAL_FILES,
)
