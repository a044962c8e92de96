"""A worker as ``onemap worker`` makes it, whose loads stop at a point.

python -m tests.faults.worker_driver POINT ACTION FOLDER
"""

import asyncio
import os
import signal
import sys

from cli.logs import configure_logs
from etl.worker import Worker
from tests.faults.paths import close, tools_of


async def _work(worker: Worker) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.run(stop, 1)


def main() -> None:
    """Work until SIGTERM."""
    configure_logs()
    url = os.environ["ONEMAP_DATABASE_URL"]
    tools = tools_of(url)
    command = (sys.executable, "-m", "tests.faults.driver", *sys.argv[1:4])
    try:
        asyncio.run(_work(Worker(url, tools, command)))
    finally:
        close(tools)


if __name__ == "__main__":
    main()
