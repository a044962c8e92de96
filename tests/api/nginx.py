"""A real nginx for tests, run by whoever runs them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FRAME = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/onemap.conf;
}}
"""


def nginx_program() -> str:
    """The program, of the system or as ``scripts/bootstrap.sh --tests`` unpacked it."""
    places = (os.environ.get("PATH", ""), "/usr/sbin", str(ROOT / ".onemap/nginx/usr/sbin"))
    found = shutil.which("nginx", path=os.pathsep.join(places))
    assert found, "nginx is missing: run scripts/bootstrap.sh --tests"
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def nginx(conf: str, folder: Path, port: int) -> Iterator[str]:
    """Run nginx with a configuration for its block ``http``; yields its address."""
    folder.mkdir(exist_ok=True)
    (folder / "onemap.conf").write_text(conf)
    frame = _FRAME.format(folder=folder)
    if os.geteuid() == 0:
        # Else its workers would be somebody who may not look into the tests' folders.
        frame = "user root;\n" + frame
    (folder / "nginx.conf").write_text(frame)
    command = [nginx_program(), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, (folder / "errors").read_text()
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
