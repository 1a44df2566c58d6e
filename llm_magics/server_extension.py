"""The extension of the Jupyter server: list the models of its cache, and delete one.

The panel of models uses it where no notebook is open. It loads nothing, downloads nothing and takes no paths.
An authorizer of the server may forbid it: the resource is "llm-magics", the actions are "read" and "write".
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .errors import StoreError, UsageError
from .sources import cache_listing

RESOURCE = "llm-magics"
_KEY = r"(?P<key>[\w.\-]+/[\w.\-]+)"


class ModelsHandler(APIHandler):
    """The list of models."""

    auth_resource = RESOURCE

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the listing of the cache."""
        listing = await asyncio.to_thread(cache_listing.listing)
        self.finish(json.dumps(listing))


class ModelHandler(APIHandler):
    """One model."""

    auth_resource = RESOURCE

    @web.authenticated
    @authorized
    async def delete(self, key: str) -> None:
        """Remove a model that the listing has."""
        try:
            await asyncio.to_thread(cache_listing.delete, key)
        except (StoreError, UsageError) as error:
            raise web.HTTPError(404, str(error)) from None
        self.set_status(204)
        self.finish()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "llm_magics.server_extension"}]


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    handlers = [
        (url_path_join(base, "llm-magics", "models"), ModelsHandler),
        (url_path_join(base, "llm-magics", "models", _KEY), ModelHandler),
    ]
    app.web_app.add_handlers(".*$", handlers)
