"""The audit trail as a resource: for reading. That it is whole proves `guard audit verify`, also on an export."""

from guard.edges.admin import shapes
from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.problems import Lines
from guard.edges.admin.shapes import AuditQuery, Nothing
from guard.service.auditing import export_trail
from guard.state.audit_pages import RecordFilter, record_page


async def list_records(desk: Desk, call: Call[AuditQuery, None]) -> shapes.AuditPage:
    """A page of it, newest first."""
    query = call.query
    wanted = RecordFilter(
        kind=query.kind,
        subject=query.subject,
        actor=query.actor,
        command=query.command,
        since_ms=query.since_ms,
        until_ms=query.until_ms,
    )
    page = await record_page(desk.vault.database, wanted, before=query.cursor, count_max=query.limit)
    return shapes.AuditPage(items=page.records, next=page.next)


async def export_records(desk: Desk, _: Call[Nothing, None]) -> Lines:
    """All of it, signed to its end."""
    await desk.sign_trail()
    return Lines(export_trail(desk.vault.trail))
