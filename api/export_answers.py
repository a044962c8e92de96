"""Exports as answers to HTTP requests."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from api.asgi import HEAD_ONLY
from api.errors import InvalidParameter, TooManyFeatures
from api.export_jobs import export_job, file_name
from api.export_process import exported
from api.export_registry import export_formats, export_options
from api.exporting.format import ExportFormat, ExportJob
from api.feature_request import FeatureRequest
from api.format_registry import feature_formats
from api.negotiation import choose
from api.service import Service
from gis.scratch import ScratchFolder
from gis.times import BEIJING
from layers.feature_query import FeatureQuery
from layers.reading import CityReader

_CHUNK = 1 << 18


class ExportAnswer(Response):
    """An export, made when it is sent."""

    def __init__(
        self,
        service: Service,
        chosen: ExportFormat,
        job: ExportJob,
        query: FeatureQuery,
        limit: int | None,
        headers: dict[str, str],
    ) -> None:
        super().__init__(headers=headers, media_type=chosen.representation.media_type)
        del self.headers["content-length"]
        self._service = service
        self._chosen = chosen
        self._job = job
        self._query = query
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write it and send it; it ends when the task is cancelled because the client left."""
        if scope.get(HEAD_ONLY):
            await self._begin(send)
            await send({"type": "http.response.body", "body": b""})
            return
        with self._service.exports.place():
            limit = await self._checked_limit(self._service.reader)
            if self._chosen.is_streamed:
                await self._send_stream(send, limit)
            else:
                await self._send_file(send, limit)

    async def _begin(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )

    async def _checked_limit(self, reader: CityReader) -> int:
        """Return the most features to write, having refused an export of too many."""
        most = self._service.settings.export_limit
        reason = f"an export holds at most {most:,}"
        if self._chosen.most is not None and self._chosen.most < most:
            most = self._chosen.most
            reason = f"a file of f={self._chosen.name} holds at most {most:,}"
        if self._limit is not None and self._limit <= most:
            return self._limit
        count = await reader.count(self._query, most)
        if min(count, self._limit or count) > most:
            # A count of one more than the most went no further.
            known = f"{count:,}" if count > most + 1 else f"more than {most:,}"
            raise TooManyFeatures(
                f"limit: {known} features match, and {reason}: "
                "narrow it with bbox, filter or datetime, or give a limit"
            )
        return most

    def _exported(self, limit: int, target: Path | None) -> AsyncGenerator[bytes]:
        return exported(self._service.reader, self._query, self._job, limit=limit, target=target)

    async def _send_stream(self, send: Send, limit: int) -> None:
        begun = False
        async with aclosing(self._exported(limit, None)) as chunks:
            async for chunk in chunks:
                if not begun:
                    # Until here an error can still become a problem document; from here on it
                    # breaks the connection, so that nobody takes the part for the whole.
                    await self._begin(send)
                    begun = True
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not begun:
            await self._begin(send)
        await send({"type": "http.response.body", "body": b""})

    async def _send_file(self, send: Send, limit: int) -> None:
        folder = await asyncio.to_thread(ScratchFolder)
        try:
            path = folder.path / f"export.{self._chosen.extension}"
            async with aclosing(self._exported(limit, path)) as chunks:
                async for _ in chunks:
                    pass
            await self._send_whole(send, path)
        finally:
            await asyncio.to_thread(folder.close)

    async def _send_whole(self, send: Send, path: Path) -> None:
        with await asyncio.to_thread(path.open, "rb") as stream:
            left = os.fstat(stream.fileno()).st_size
            self.headers["content-length"] = str(left)
            await self._begin(send)
            while left > 0:
                chunk = await asyncio.to_thread(stream.read, _CHUNK)
                left -= len(chunk)
                more = left > 0 and bool(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
                if not more:
                    return


def export_answer(
    service: Service, wanted: FeatureRequest, chosen: ExportFormat, headers: dict[str, str]
) -> Response:
    """Return the answer to a request for an export.

    Args:
        service: The service.
        wanted: What was asked for.
        chosen: In which format.
        headers: Those of the answer in any format.

    Raises:
        InvalidParameter: If the format has no such option or reference system, or the limit is
            none. What is found out when the answer is made, see ``ExportAnswer``.
    """
    parameters = wanted.parameters
    options = {name: parameters[name] for name in export_options() if name in parameters}
    asked = wanted.query.system if "crs" in parameters else None
    job, query = export_job(chosen, wanted.query, options, asked, service.settings.zones)
    layer = wanted.query.layer
    plain, chinese = file_name(layer, _day(wanted.query), chosen.extension)
    told = {
        **headers,
        "content-crs": f"<{query.system.uri}>",
        # RFC 6266: programs that know no UTF-8 take the first name.
        "content-disposition": (
            f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(chinese)}"
        ),
    }
    return ExportAnswer(service, chosen, job, query, wanted.limit, told)


def chosen_export(request: Request, wanted: FeatureRequest) -> ExportFormat | None:
    """Return the export that a request asks for, if it asks for one.

    Raises:
        InvalidParameter: If ``f`` names neither an export nor a format of pages.
    """
    exports = export_formats()
    pages = [entry.representation for entry in feature_formats()]
    # Those of pages first: whoever is open gets a page.
    forms = [*pages, *(entry.representation for entry in exports)]
    found = choose(forms, request.headers.get("accept"), wanted.format)
    return next((entry for entry in exports if entry.representation is found), None)


def takes_no_options(parameters: dict[str, str]) -> None:
    """Refuse the parameters of exports in a request for none.

    Raises:
        InvalidParameter: If there is one.
    """
    for name in export_options():
        if name in parameters:
            raise InvalidParameter(f"{name}: means nothing without f= and a format that has it")


def _day(query: FeatureQuery) -> str:
    moment = query.at if isinstance(query.at, datetime) else query.as_of
    return (moment or datetime.now(BEIJING)).astimezone(BEIJING).strftime("%Y%m%d")
