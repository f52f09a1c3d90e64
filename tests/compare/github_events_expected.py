"""What the tables of `github_events` should hold, in DuckDB's SQL, from the specification."""

from github_events_raw import TIME

KNOWN_TYPES = """CommitComment Create Delete Fork Gollum IssueComment Issues Member Public PullRequest
    PullRequestReview PullRequestReviewComment Push Release Watch""".split()

# Every accepted event is in bronze as often as it came. Silver takes those that keep every promise.
TIMED_SQL = f"""
create table timed as
select *,
  case when regexp_full_match(created_at, '{TIME.pattern}') then try_cast(created_at as timestamptz) end as event_time,
  try_cast(merged_at as timestamptz) as merged_time
from raw;
"""

JUDGED_SQL = f"""
create table judged as
select *, case
    when not convertible then 'payload: a value of another type'
    when created_at is not null and event_time is null then 'created_at: no time'
    when merged_at is not null and merged_time is null then 'merged_at: no time'
    when type not in ({", ".join(f"'{name}Event'" for name in KNOWN_TYPES)}) then 'unknown type'
    when event_time is null then 'no created_at'
    when actor_id is null then 'no actor id'
    when actor_login is null then 'no actor login'
    when repo_name is null then 'no repository name'
    when event_time > $processed::timestamptz then 'in the future'
  end as why
from timed;
"""

PARSED_SQL = """
create table parsed as
select id as event_id, type as event_type, event_time as created_at, ifnull(public, false) as public,
  actor_id, actor_login, actor_url, actor_avatar_url, repo_id, repo_name, repo_url,
  payload_action, payload_ref, payload_ref_type, push_size, push_distinct_size, push_head_sha,
  pull_request_number, pull_request_id, pull_request_state, pull_request_title,
  ifnull(merged, false) as pull_request_merge, merged_time as pull_request_merge_at,
  issue_number, issue_title, issue_state
from judged
where why is null
qualify row_number() over (partition by id order by line) = 1;
"""

ENRICHED_SQL = r"""
create table categories (event_type text, event_category text);
insert into categories values
  ('PushEvent', 'code_change'),
  ('PullRequestEvent', 'pull_request'), ('PullRequestReviewEvent', 'pull_request'),
  ('PullRequestReviewCommentEvent', 'pull_request'),
  ('IssuesEvent', 'issue'), ('IssueCommentEvent', 'issue'),
  ('WatchEvent', 'social'), ('ForkEvent', 'social'),
  ('CreateEvent', 'repo_management'), ('DeleteEvent', 'repo_management'),
  ('ReleaseEvent', 'release');

create table enriched as
with named as (
  select * replace (lower(trim(actor_login)) as actor_login),
    string_split(repo_name, '/') as parts,
    case
      when starts_with(payload_ref, 'refs/heads/') then payload_ref[12:]
      when starts_with(payload_ref, 'refs/tags/') then payload_ref[11:]
      else payload_ref
    end as branch_or_tag_name,
    (created_at at time zone 'UTC') as utc
  from parsed
),
scored as (
  select *,
    if(event_type = 'PushEvent', 2 * ifnull(push_size, 1),
      if(event_type = 'PullRequestEvent', if(pull_request_merge, 10, 5),
        if(event_type = 'IssuesEvent', 3, if(event_type = 'ForkEvent', 2, 1)))) as activity_score
  from named
)
select scored.* exclude (parts, utc),
  if(parts[1] = '', null, parts[1]) as repo_owner,
  if(parts[2] = '', null, parts[2]) as repo_project,
  utc::date as event_date,
  hour(utc)::int as event_hour,
  ifnull(branch_or_tag_name in ('main', 'master'), false) as is_main_branch,
  ifnull(event_category, 'other') as event_category
from scored left join categories using (event_type)
where activity_score >= 0;
"""

ACTIVITY_SQL = """
create table per_type as
pivot (select actor_id, event_date, event_type from enriched)
on event_type in (
  'PushEvent', 'PullRequestEvent', 'IssuesEvent', 'IssueCommentEvent', 'WatchEvent', 'ForkEvent',
  'CreateEvent', 'DeleteEvent')
using count(*) group by actor_id, event_date;

create table per_category as
pivot (select actor_id, event_date, event_category from enriched)
on event_category in ('code_change', 'pull_request', 'issue', 'social')
using count(*) group by actor_id, event_date;

create table busiest as
select actor_id, event_date, arg_min(event_hour, (-events, event_hour)) as hour
from (select actor_id, event_date, event_hour, count(*) as events from enriched group by all)
group by all;

create table favourite as
select actor_id, event_date, arg_min(repo_name, (-events, repo_name)) as repo, max(events) as events
from (select actor_id, event_date, repo_name, count(*) as events from enriched group by all)
group by all;

create table daily as
select actor_id, event_date,
  arg_max(actor_login, (created_at, event_id)) as actor_login,
  count(*) as total_events,
  count(distinct event_id) as unique_events,
  count(distinct repo_name) as repos_contributed_to,
  sum(ifnull(push_size, 0))::bigint as total_commits,
  sum(if(event_type = 'PullRequestEvent' and pull_request_merge, 1, 0))::bigint as merged_pull_requests,
  sum(is_main_branch::int)::bigint as main_branch_events,
  sum(activity_score)::bigint as total_activity_score,
  sum(activity_score)::double / count(*) as avg_activity_score,
  sum(public::int)::bigint as public_events
from enriched group by all;

create table activity as
select actor_id, actor_login, event_date as activity_date, total_events, unique_events,
  repos_contributed_to,
  t.PushEvent as push_events, t.PullRequestEvent as pull_request_events,
  t.IssuesEvent as issue_events, t.IssueCommentEvent as issue_comment_events,
  t.WatchEvent as watch_events, t.ForkEvent as fork_events,
  t.CreateEvent as create_events, t.DeleteEvent as delete_events,
  c.code_change as code_change_events, c.pull_request as pull_request_related_events,
  c.issue as issue_related_events, c.social as social_events,
  total_commits, merged_pull_requests, main_branch_events, total_activity_score,
  avg_activity_score, public_events, total_events - public_events as private_events,
  busiest.hour as most_active_hour, favourite.repo as top_repo, favourite.events as top_repo_event_count,
  sum(total_events) over week::double / count(*) over week as events_7day_avg,
  sum(total_commits) over week::double / count(*) over week as commits_7day_avg,
  (sum(total_events) over upto)::bigint as cumulative_events,
  (sum(total_commits) over upto)::bigint as cumulative_commits,
  case
    when total_activity_score < 5 then 'low_activity'
    when total_activity_score < 20 then 'moderate'
    when total_activity_score < 50 then 'active'
    else 'highly_active'
  end as user_activity_level,
  case
    when 5 * c.code_change > 3 * total_events then 'developer'
    when 5 * c.pull_request > 2 * total_events then 'reviewer'
    when 5 * c.issue > 2 * total_events then 'issue_manager'
    when 5 * c.social > 2 * total_events then 'community_member'
    else 'generalist'
  end as user_specialization
from daily
join per_type t using (actor_id, event_date)
join per_category c using (actor_id, event_date)
join busiest using (actor_id, event_date)
join favourite using (actor_id, event_date)
window week as (partition by actor_id order by event_date rows 6 preceding),
  upto as (partition by actor_id order by event_date rows unbounded preceding);
"""


def compute(db, raw, processed):
    """Makes the tables `bronze`, `parsed`, `enriched` and `activity`."""
    db.register("raw", raw)
    db.execute("create table bronze as select * from raw")
    db.execute(TIMED_SQL)
    db.execute(JUDGED_SQL, {"processed": processed})
    for statements in (PARSED_SQL, ENRICHED_SQL, ACTIVITY_SQL):
        db.execute(statements)
