-- The parsed event and what can be said of it by itself.
SELECT *, coalesce(branch_or_tag_name IN ('main', 'master'), false) AS is_main_branch
FROM (
  SELECT
    event_id,
    event_type,
    created_at,
    public,
    actor_id,
    lower(btrim(actor_login)) AS actor_login,
    actor_url,
    actor_avatar_url,
    repo_id,
    repo_name,
    repo_url,
    payload_action,
    payload_ref,
    payload_ref_type,
    push_size,
    push_distinct_size,
    push_head_sha,
    pull_request_number,
    pull_request_id,
    pull_request_state,
    pull_request_title,
    pull_request_merge,
    pull_request_merge_at,
    issue_number,
    issue_title,
    issue_state,
    ingestion_date,
    now() AS processed_at,
    nullif(split_part(repo_name, '/', 1), '') AS repo_owner,
    nullif(split_part(repo_name, '/', 2), '') AS repo_project,
    CAST(created_at AS DATE) AS event_date,
    date_part('hour', created_at) AS event_hour,
    CASE
      WHEN starts_with(payload_ref, 'refs/heads/') THEN substr(payload_ref, 12)
      WHEN starts_with(payload_ref, 'refs/tags/') THEN substr(payload_ref, 11)
      ELSE payload_ref
    END AS branch_or_tag_name,
    CASE
      WHEN event_type = 'PushEvent' THEN 'code_change'
      WHEN event_type IN ('PullRequestEvent', 'PullRequestReviewEvent', 'PullRequestReviewCommentEvent')
        THEN 'pull_request'
      WHEN event_type IN ('IssuesEvent', 'IssueCommentEvent') THEN 'issue'
      WHEN event_type IN ('WatchEvent', 'ForkEvent') THEN 'social'
      WHEN event_type IN ('CreateEvent', 'DeleteEvent') THEN 'repo_management'
      WHEN event_type = 'ReleaseEvent' THEN 'release'
      ELSE 'other'
    END AS event_category,
    CASE event_type
      WHEN 'PushEvent' THEN coalesce(push_size, 1) * 2
      WHEN 'PullRequestEvent' THEN CASE WHEN pull_request_merge THEN 10 ELSE 5 END
      WHEN 'IssuesEvent' THEN 3
      WHEN 'ForkEvent' THEN 2
      ELSE 1
    END AS activity_score
  FROM silver.github_events_parsed
)
