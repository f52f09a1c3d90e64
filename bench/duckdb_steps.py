"""The transformations of the pipeline `github_events`, written by hand for DuckDB.

    python duckdb_steps.py EVENTS.jsonl FOLDER bronze|silver|gold|all

The limit that Assay is held against: two threads, Parquet files in zstd, no catalog, no snapshots,
no rules, no dead letters, no state from one run to the next. Bronze is read from the JSON lines
themselves, not from a log. Each step reads the file that the one before it wrote.
"""

import sys
from pathlib import Path

import duckdb

BRONZE = """
SELECT id, type, public, actor.id AS actor_id, actor.login AS actor_login,
  actor.gravatar_id AS actor_gravatar_id, actor.url AS actor_url,
  actor.avatar_url AS actor_avatar_url, repo.id AS repo_id, repo.name AS repo_name,
  repo.url AS repo_url, payload, created_at, now() AS ingestion_timestamp,
  now()::date AS ingestion_date, uuid()::varchar AS trace_id
FROM read_ndjson('{events}', columns = {{
  id: 'VARCHAR', type: 'VARCHAR', public: 'BOOLEAN', payload: 'JSON', created_at: 'VARCHAR',
  actor: 'STRUCT(id BIGINT, login VARCHAR, gravatar_id VARCHAR, url VARCHAR, avatar_url VARCHAR)',
  repo: 'STRUCT(id BIGINT, name VARCHAR, url VARCHAR)'}})
"""

# All paths in one parse of the payload.
PARSED = """
SELECT DISTINCT ON (event_id) event_id, event_type, created_at, public, actor_id, actor_login,
  actor_url, actor_avatar_url, repo_id, repo_name, repo_url, p.action AS payload_action,
  p.ref AS payload_ref, p.ref_type AS payload_ref_type, p.size AS push_size,
  p.distinct_size AS push_distinct_size, p.head AS push_head_sha,
  p.pull_request.number AS pull_request_number, p.pull_request.id AS pull_request_id,
  p.pull_request.state AS pull_request_state, p.pull_request.title AS pull_request_title,
  coalesce(p.pull_request.merged, false) AS pull_request_merge,
  p.pull_request.merged_at AS pull_request_merge_at, p.issue.number AS issue_number,
  p.issue.title AS issue_title, p.issue.state AS issue_state, ingestion_date, now() AS processed_at
FROM (
  SELECT id AS event_id, type AS event_type, created_at::timestamptz AS created_at,
    coalesce(public, false) AS public, actor_id, actor_login, actor_url, actor_avatar_url, repo_id,
    repo_name, repo_url, ingestion_date, json_transform(payload, '{{
      "action": "VARCHAR", "ref": "VARCHAR", "ref_type": "VARCHAR", "size": "BIGINT",
      "distinct_size": "BIGINT", "head": "VARCHAR",
      "pull_request": {{"number": "BIGINT", "id": "BIGINT", "state": "VARCHAR",
        "title": "VARCHAR", "merged": "BOOLEAN", "merged_at": "TIMESTAMP WITH TIME ZONE"}},
      "issue": {{"number": "BIGINT", "title": "VARCHAR", "state": "VARCHAR"}}}}') AS p
  FROM '{folder}/bronze.parquet')
"""

ENRICHED = """
SELECT * REPLACE (lower(trim(actor_login)) AS actor_login, now() AS processed_at),
  nullif(split_part(repo_name, '/', 1), '') AS repo_owner,
  nullif(split_part(repo_name, '/', 2), '') AS repo_project,
  (created_at AT TIME ZONE 'UTC')::date AS event_date,
  date_part('hour', created_at AT TIME ZONE 'UTC')::int AS event_hour,
  regexp_replace(payload_ref, '^refs/(heads|tags)/', '') AS branch_or_tag_name,
  coalesce(payload_ref IN ('main', 'master', 'refs/heads/main', 'refs/heads/master',
    'refs/tags/main', 'refs/tags/master'), false) AS is_main_branch,
  CASE
    WHEN event_type = 'PushEvent' THEN 'code_change'
    WHEN event_type IN ('PullRequestEvent', 'PullRequestReviewEvent',
      'PullRequestReviewCommentEvent') THEN 'pull_request'
    WHEN event_type IN ('IssuesEvent', 'IssueCommentEvent') THEN 'issue'
    WHEN event_type IN ('WatchEvent', 'ForkEvent') THEN 'social'
    WHEN event_type IN ('CreateEvent', 'DeleteEvent') THEN 'repo_management'
    WHEN event_type = 'ReleaseEvent' THEN 'release' ELSE 'other' END AS event_category,
  CASE event_type
    WHEN 'PushEvent' THEN coalesce(push_size, 1) * 2
    WHEN 'PullRequestEvent' THEN CASE WHEN pull_request_merge THEN 10 ELSE 5 END
    WHEN 'IssuesEvent' THEN 3 WHEN 'ForkEvent' THEN 2 ELSE 1 END AS activity_score
FROM '{folder}/parsed.parquet'
"""

TYPES = "Push PullRequest Issues IssueComment Watch Fork Create Delete".split()
NAMES = "push pull_request issue issue_comment watch fork create delete".split()
CATEGORIES = {
    "code_change": "code_change",
    "pull_request": "pull_request_related",
    "issue": "issue_related",
    "social": "social",
}
COUNTED = ",\n  ".join(
    [f"count(*) FILTER (event_type = '{t}Event') AS {n}_events" for t, n in zip(TYPES, NAMES)]
    + [f"count(*) FILTER (event_category = '{c}') AS {n}_events" for c, n in CATEGORIES.items()]
)

GOLD = f"""
WITH days AS (
  SELECT actor_id, event_date AS activity_date,
  arg_max(actor_login, (created_at, event_id)) AS actor_login, count(*) AS total_events,
  count(DISTINCT event_id) AS unique_events, count(DISTINCT repo_name) AS repos_contributed_to,
  {COUNTED},
  sum(coalesce(push_size, 0)) AS total_commits,
  count(*) FILTER (event_type = 'PullRequestEvent' AND pull_request_merge) AS merged_pull_requests,
  count(*) FILTER (is_main_branch) AS main_branch_events,
  sum(activity_score) AS total_activity_score, avg(activity_score) AS avg_activity_score,
  count(*) FILTER (public) AS public_events, count(*) FILTER (NOT public) AS private_events
  FROM '{{folder}}/enriched.parquet' GROUP BY ALL
), hours AS (
  SELECT actor_id, activity_date, arg_max(event_hour, (n, -event_hour)) AS most_active_hour
  FROM (SELECT actor_id, event_date AS activity_date, event_hour, count(*) AS n
    FROM '{{folder}}/enriched.parquet' GROUP BY ALL) GROUP BY ALL
), repos AS (
  SELECT actor_id, activity_date, arg_min(repo_name, (-n, repo_name)) AS top_repo,
    max(n) AS top_repo_event_count
  FROM (SELECT actor_id, event_date AS activity_date, repo_name, count(*) AS n
    FROM '{{folder}}/enriched.parquet' GROUP BY ALL) GROUP BY ALL
)
SELECT days.*, most_active_hour, top_repo, top_repo_event_count,
  avg(total_events) OVER week AS events_7day_avg, avg(total_commits) OVER week AS commits_7day_avg,
  sum(total_events) OVER so_far AS cumulative_events,
  sum(total_commits) OVER so_far AS cumulative_commits,
  CASE WHEN total_activity_score >= 50 THEN 'highly_active' WHEN total_activity_score >= 20
    THEN 'active' WHEN total_activity_score >= 5 THEN 'moderate' ELSE 'low_activity' END
    AS user_activity_level,
  CASE WHEN code_change_events * 100 > total_events * 60 THEN 'developer'
    WHEN pull_request_related_events * 100 > total_events * 40 THEN 'reviewer'
    WHEN issue_related_events * 100 > total_events * 40 THEN 'issue_manager'
    WHEN social_events * 100 > total_events * 40 THEN 'community_member' ELSE 'generalist' END
    AS user_specialization, now() AS created_at
FROM days JOIN hours USING (actor_id, activity_date) JOIN repos USING (actor_id, activity_date)
WINDOW week AS (PARTITION BY actor_id ORDER BY activity_date
    ROWS BETWEEN 6 PRECEDING AND CURRENT ROW),
  so_far AS (PARTITION BY actor_id ORDER BY activity_date ROWS UNBOUNDED PRECEDING)
"""

STEPS = {
    "bronze": [("bronze", BRONZE)],
    "silver": [("parsed", PARSED), ("enriched", ENRICHED)],
    "gold": [("gold", GOLD)],
}


def main():
    events, folder, wanted = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute("SET threads = 2; SET preserve_insertion_order = false; SET enable_progress_bar = false")
    for step in STEPS if wanted == "all" else [wanted]:
        for table, sql in STEPS[step]:
            sql = sql.format(events=events, folder=folder)
            to = f"'{folder}/{table}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            db.execute(f"COPY ({sql}) TO {to}")


main()
