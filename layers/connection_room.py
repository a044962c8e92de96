"""Whether a database takes as many connections as the server processes will want."""

from sqlalchemy import Integer, cast, func, select

from layers.database import translated_errors, writing_engine
from layers.errors import DatabaseUnavailable

#: Beside those for reading a server process has one that listens, and two pools of two for loads.
OTHER_CONNECTIONS = 5


def refuse_want_of_room(url: str, processes: int, pool_size: int) -> None:
    """See to it that all server processes together stay below the database's limit.

    Args:
        url: The database.
        processes: How many server processes there will be.
        pool_size: Connections that each holds for reading.

    Raises:
        DatabaseUnavailable: If they would not, or the database cannot be reached.
    """
    engine = writing_engine(url)
    try:
        with translated_errors(engine), engine.connect() as connection:
            names = ("max_connections", "superuser_reserved_connections")
            settings = [cast(func.current_setting(name), Integer) for name in names]
            limit, reserved = (int(value) for value in connection.execute(select(*settings)).one())
    finally:
        engine.dispose()
    wanted = processes * (pool_size + OTHER_CONNECTIONS)
    if wanted > limit - reserved:
        raise DatabaseUnavailable(
            f"{processes} server processes may want {wanted} connections, and the database takes "
            f"{limit - reserved}: lower --workers or ONEMAP_POOL_SIZE, or raise the database's "
            "max_connections"
        )
