"""The configuration of nginx in front of the service, made of the service's own settings.

nginx sends public tiles straight from the tile store and asks the service for everything else.
It needs no copy of the rules for what is still true: files of outdated tiles are gone, and so is
the link to all of them when no server keeps the store in step (``tiles.front``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api.cors import EXPOSED

_CONF = """\
# One Map behind nginx, made by `onemap nginx-conf`: for the http block, such as in
# /etc/nginx/conf.d/onemap.conf. Make it anew when settings change. See docs/nginx.md.

upstream onemap {
    server @UPSTREAM@;
    keepalive 64;
}

# Somebody in particular, or something in particular: the service answers.
map $args$http_authorization$http_cookie $onemap_asked {
    "" "";
    default 1;
}
@ORIGINS@
server {
    listen @LISTEN@;
    server_name @NAME@;

    # Tiles that anybody may see, as they are on disk; everything else has no file there.
    location ^~ /tiles/ {
        if ($onemap_asked) { return 418; }
        # 301 would lead to a folder.
        error_page 301 403 404 405 418 = @onemap;

        alias "@STORE@/public/";
        # The files are gzip; who does not take it gets them unpacked.
        gzip_static always;
        gunzip on;
        sendfile on;
        # Tags are made of the files' times, which stand for their content and not for a date.
        etag on;
        if_modified_since off;
        max_ranges 0;
        # Files stay open, but whether they are still there, and still the same, is looked at for
        # each request: with another time than 0 nginx would send what a load has removed.
        open_file_cache max=@OPEN_FILES@ inactive=20s;
        open_file_cache_valid 0;
        open_file_cache_errors off;
        log_not_found off;
        types { }
        default_type application/vnd.mapbox-vector-tile;
        add_header Last-Modified "";
        add_header Cache-Control "@CACHE_CONTROL@";
        add_header Vary "@VARY@";
        add_header X-Cache front;
@CORS@    }

    location / {
        try_files /onemap/no/such/file @onemap;
        client_max_body_size @UPLOAD@;
    }

    location @onemap {
        proxy_pass http://onemap;
        proxy_http_version 1.1;
        # Uploads go on as they come, and so does news of loads.
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_read_timeout 1h;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Request-Id $request_id;
        client_max_body_size @UPLOAD@;
    }
}
"""
_ALL = """\
        add_header Access-Control-Allow-Origin "@ORIGIN@";
        add_header Access-Control-Expose-Headers "@EXPOSED@";
"""


#: With the 768 connections of a process, below the 1024 open files that Debian's nginx may have.
OPEN_FILES = 200


@dataclass(frozen=True)
class FrontConf:
    """What the configuration depends on."""

    #: The tile store, as nginx sees it.
    store: Path
    #: Address and port where the service listens.
    upstream: str
    #: Address or port where nginx listens, and its name.
    listen: str
    name: str
    tile_max_age_s: int
    cors_origins: Sequence[str]
    max_upload_bytes: int
    #: How many files each process of nginx may hold open.
    open_files: int = OPEN_FILES


def front_conf(wanted: FrontConf) -> str:
    """Return the configuration, for nginx's block ``http``."""
    age = wanted.tile_max_age_s
    origins = [origin for origin in wanted.cors_origins if origin != "*"]
    open_to_all = "*" in wanted.cors_origins
    origin = "*" if open_to_all else "$onemap_origin"
    cors = _ALL.replace("@ORIGIN@", origin).replace("@EXPOSED@", ", ".join(EXPOSED))
    values = {
        "UPSTREAM": wanted.upstream,
        "ORIGINS": _origins(origins) if origins and not open_to_all else "",
        "LISTEN": wanted.listen,
        "NAME": wanted.name,
        "STORE": str(wanted.store),
        "CACHE_CONTROL": f"public, max-age={age}" if age else "public, no-cache",
        "VARY": "accept-encoding, origin" if origins and not open_to_all else "accept-encoding",
        "CORS": cors if wanted.cors_origins else "",
        "OPEN_FILES": str(wanted.open_files),
        "UPLOAD": str(wanted.max_upload_bytes),
    }
    text = _CONF
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _origins(origins: Sequence[str]) -> str:
    lines = "".join(f'    "{origin}" $http_origin;\n' for origin in origins)
    return f'\nmap $http_origin $onemap_origin {{\n    default "";\n{lines}}}\n'
