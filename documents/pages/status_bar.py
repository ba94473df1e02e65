from typing import Any

from documents.ingestion import health
from documents.ingestion.endpoint_waits import find_endpoint_alarms
from documents.reindex import service as reindex
from workspaces.models import Workspace


def status_bar_context(workspace: Workspace, may_manage: bool) -> dict[str, Any]:
    """Return the context of the bar above every workspace tab: alarms, and the running reindex."""
    building = reindex.running(workspace)
    return {
        "workspace": workspace,
        "may_manage": may_manage,
        "alarms": health.find_alarms(workspace) + find_endpoint_alarms(workspace),
        "building": building,
        "progress": building and reindex.progress(building),
    }
