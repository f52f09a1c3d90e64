-- One row per actor and day. `silver.github_events` has all events from the first day that is made
-- anew; `previous` has this table's own rows before that day, for what runs over several days.
WITH days AS (
  SELECT
    actor_id,
    event_date AS activity_date,
    -- The latest; of events at one time that with the greatest id.
    max_by(actor_login, named_struct('at', created_at, 'id', event_id)) AS actor_login,
    count(*) AS total_events,
    count(*) FILTER (WHERE event_type = 'PushEvent') AS push_events,
    count(*) FILTER (WHERE event_type = 'PullRequestEvent') AS pull_request_events,
    count(*) FILTER (WHERE event_type = 'IssuesEvent') AS issue_events,
    count(*) FILTER (WHERE event_type = 'IssueCommentEvent') AS issue_comment_events,
    count(*) FILTER (WHERE event_type = 'WatchEvent') AS watch_events,
    count(*) FILTER (WHERE event_type = 'ForkEvent') AS fork_events,
    count(*) FILTER (WHERE event_type = 'CreateEvent') AS create_events,
    count(*) FILTER (WHERE event_type = 'DeleteEvent') AS delete_events,
    count(*) FILTER (WHERE event_category = 'code_change') AS code_change_events,
    count(*) FILTER (WHERE event_category = 'pull_request') AS pull_request_related_events,
    count(*) FILTER (WHERE event_category = 'issue') AS issue_related_events,
    count(*) FILTER (WHERE event_category = 'social') AS social_events,
    sum(coalesce(push_size, 0)) AS total_commits,
    count(*) FILTER (WHERE event_type = 'PullRequestEvent' AND pull_request_merge) AS merged_pull_requests,
    count(*) FILTER (WHERE is_main_branch) AS main_branch_events,
    sum(activity_score) AS total_activity_score,
    avg(activity_score) AS avg_activity_score,
    count(*) FILTER (WHERE public) AS public_events,
    count(*) FILTER (WHERE NOT public) AS private_events
  FROM silver.github_events
  GROUP BY actor_id, event_date
),

-- Each event once, however often it is there.
ids AS (
  SELECT actor_id, activity_date, count(event_id) AS unique_events
  FROM (SELECT DISTINCT actor_id, event_date AS activity_date, event_id FROM silver.github_events)
  GROUP BY actor_id, activity_date
),

-- The hour with most events; the smallest of several.
hours AS (
  SELECT
    actor_id,
    activity_date,
    min_by(event_hour, named_struct('few', -events, 'hour', event_hour)) AS event_hour
  FROM (
    SELECT actor_id, event_date AS activity_date, event_hour, count(*) AS events
    FROM silver.github_events
    GROUP BY actor_id, event_date, event_hour
  )
  GROUP BY actor_id, activity_date
),

-- The repositories of a day, and the one with most events; the first by name of several.
repos AS (
  SELECT
    actor_id,
    activity_date,
    count(repo_name) AS repos_contributed_to,
    min_by(repo_name, named_struct('few', -events, 'name', repo_name)) AS repo_name,
    max(events) AS events
  FROM (
    SELECT actor_id, event_date AS activity_date, repo_name, count(*) AS events
    FROM silver.github_events
    GROUP BY actor_id, event_date, repo_name
  )
  GROUP BY actor_id, activity_date
),

-- The days that are made anew, behind all earlier days of the same actors.
history AS (
  SELECT
    actor_id,
    event_date AS activity_date,
    count(*) AS total_events,
    sum(coalesce(push_size, 0)) AS total_commits,
    true AS fresh
  FROM silver.github_events
  GROUP BY actor_id, event_date
  UNION ALL
  SELECT actor_id, activity_date, total_events, total_commits, false AS fresh FROM previous
  WHERE actor_id IN (SELECT actor_id FROM silver.github_events)
),

running AS (
  SELECT
    actor_id,
    activity_date,
    fresh,
    avg(total_events) OVER week AS events_7day_avg,
    avg(total_commits) OVER week AS commits_7day_avg,
    sum(total_events) OVER so_far AS cumulative_events,
    sum(total_commits) OVER so_far AS cumulative_commits
  FROM history
  WINDOW
    week AS (PARTITION BY actor_id ORDER BY activity_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW),
    so_far AS (PARTITION BY actor_id ORDER BY activity_date ROWS UNBOUNDED PRECEDING)
)

SELECT
  days.actor_id,
  days.actor_login,
  days.activity_date,
  days.total_events,
  ids.unique_events,
  repos.repos_contributed_to,
  days.push_events,
  days.pull_request_events,
  days.issue_events,
  days.issue_comment_events,
  days.watch_events,
  days.fork_events,
  days.create_events,
  days.delete_events,
  days.code_change_events,
  days.pull_request_related_events,
  days.issue_related_events,
  days.social_events,
  days.total_commits,
  days.merged_pull_requests,
  days.main_branch_events,
  days.total_activity_score,
  days.avg_activity_score,
  days.public_events,
  days.private_events,
  hours.event_hour AS most_active_hour,
  repos.repo_name AS top_repo,
  repos.events AS top_repo_event_count,
  running.events_7day_avg,
  running.commits_7day_avg,
  running.cumulative_events,
  running.cumulative_commits,
  CASE
    WHEN days.total_activity_score >= 50 THEN 'highly_active'
    WHEN days.total_activity_score >= 20 THEN 'active'
    WHEN days.total_activity_score >= 5 THEN 'moderate'
    ELSE 'low_activity'
  END AS user_activity_level,
  -- Shares in whole numbers: exactly 60 % is not more than 60 %.
  CASE
    WHEN days.code_change_events * 100 > days.total_events * 60 THEN 'developer'
    WHEN days.pull_request_related_events * 100 > days.total_events * 40 THEN 'reviewer'
    WHEN days.issue_related_events * 100 > days.total_events * 40 THEN 'issue_manager'
    WHEN days.social_events * 100 > days.total_events * 40 THEN 'community_member'
    ELSE 'generalist'
  END AS user_specialization,
  now() AS created_at
FROM days
JOIN ids ON ids.actor_id = days.actor_id AND ids.activity_date = days.activity_date
JOIN hours ON hours.actor_id = days.actor_id AND hours.activity_date = days.activity_date
JOIN repos ON repos.actor_id = days.actor_id AND repos.activity_date = days.activity_date
JOIN running
  ON running.actor_id = days.actor_id AND running.activity_date = days.activity_date AND running.fresh
