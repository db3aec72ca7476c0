"""Lists of jobs and of tails, newest first, a page at a time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.callers import Asking, Caller, may
from api.state import AppState, State
from api.views.links import Links
from api.views.lists import JobList, JobListQuery, TailList, TailListQuery, job_list, tail_list
from core.jobs.lists.pages import Page, Pages

router = APIRouter()


@router.get("/jobs", tags=["jobs"], dependencies=[Depends(may("read"))])
async def list_jobs(
    wanted: Annotated[JobListQuery, Query()], state: State, caller: Asking, request: Request
) -> JobList:
    """Return jobs, newest first. Go on with `next_cursor` until it is null: a page may have fewer than `limit`."""
    page = await _page(wanted, state, caller)
    return await state.threads.reading.run(job_list, page, Links.of(request, state.services))


@router.get("/tails", tags=["tails"], dependencies=[Depends(may("read"))])
async def list_tails(
    wanted: Annotated[TailListQuery, Query()], state: State, caller: Asking, request: Request
) -> TailList:
    """Return tails, newest first, ready or not. Go on with `next_cursor` until it is null."""
    page = await _page(wanted, state, caller)
    return await state.threads.reading.run(tail_list, page, Links.of(request, state.services))


async def _page(wanted: JobListQuery | TailListQuery, state: AppState, caller: Caller) -> Page:
    query = wanted.query(caller.owner, state.services.settings)
    return await state.threads.reading.run(Pages(state.services.jobs).read, query)
