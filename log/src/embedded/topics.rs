use std::time::Duration;

use chrono::DateTime;
use sqlx::{Row, Sqlite, Transaction};

use super::file::LogFile;
use super::lane::{self, MAX_LANES};
use crate::{Ends, LogError, TopicInfo, TopicSpec};

pub(super) async fn create(file: &LogFile, spec: &TopicSpec) -> Result<(), LogError> {
    spec.check()?;
    let doing = format!("create topic `{}`", spec.name);
    let failed = |error| file.failed(&doing, error);
    let mut write = file.write(&doing).await?;
    let (topic, has) = name(&mut write, spec).await.map_err(failed)?;
    if has == 0 {
        let lanes: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM lane")
            .fetch_one(&mut *write)
            .await
            .map_err(failed)?;
        let room = u32::try_from(MAX_LANES - lanes).unwrap_or(0);
        if spec.partitions > room {
            let (topic, wanted) = (spec.name.clone(), spec.partitions);
            return Err(LogError::InvalidPartitions { topic, wanted, most: room });
        }
        for partition in 0..spec.partitions {
            sqlx::query("INSERT INTO lane (topic, partition) VALUES ($1, $2)")
                .bind(topic)
                .bind(partition)
                .execute(&mut *write)
                .await
                .map_err(failed)?;
        }
    } else if has != spec.partitions {
        let (topic, wanted) = (spec.name.clone(), spec.partitions);
        return Err(LogError::OtherPartitions { topic, has, wanted });
    }
    write.commit().await.map_err(failed)
}

/// Writes the topic's own row; returns its id and how many partitions it has already.
async fn name(
    write: &mut Transaction<'static, Sqlite>,
    spec: &TopicSpec,
) -> Result<(i64, u32), sqlx::Error> {
    let retention = spec.retention.map(|keep| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO topic (name, retention_ms) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET retention_ms = excluded.retention_ms RETURNING id",
    )
    .bind(&spec.name)
    .bind(retention)
    .fetch_one(&mut **write)
    .await?;
    let has = sqlx::query_scalar("SELECT count(*) FROM lane WHERE topic = $1")
        .bind(id)
        .fetch_one(&mut **write)
        .await?;
    Ok((id, has))
}

pub(super) async fn ends(file: &LogFile, topic: &str) -> Result<Vec<Ends>, LogError> {
    let mut view = file.view(&format!("read the ends of topic `{topic}`")).await?;
    let lanes = lane::of_topic(&mut view, file, topic).await?;
    Ok(lanes.into_iter().map(|lane| lane.ends).collect())
}

pub(super) async fn list(file: &LogFile) -> Result<Vec<TopicInfo>, LogError> {
    let failed = |error| file.failed("list the topics", error);
    let mut view = file.view("list the topics").await?;
    let rows = sqlx::query(
        "SELECT name, count(*), retention_ms, sum(end_offset - start_offset), sum(lane.bytes),
                min(appended_at)
         FROM topic JOIN lane ON lane.topic = topic.id
         LEFT JOIN record ON record.id = (lane.id << 48 | start_offset)
         GROUP BY topic.id ORDER BY name",
    )
    .fetch_all(&mut *view)
    .await
    .map_err(failed)?;
    rows.iter().map(info).collect::<Result<_, _>>().map_err(failed)
}

fn info(row: &sqlx::sqlite::SqliteRow) -> Result<TopicInfo, sqlx::Error> {
    let retention: Option<i64> = row.try_get(2)?;
    let oldest: Option<i64> = row.try_get(5)?;
    Ok(TopicInfo {
        name: row.try_get(0)?,
        partitions: row.try_get(1)?,
        retention: retention.map(|ms| Duration::from_millis(ms.cast_unsigned())),
        records: row.try_get::<i64, _>(3)?.cast_unsigned(),
        bytes: Some(row.try_get::<i64, _>(4)?.cast_unsigned()),
        oldest: oldest.and_then(DateTime::from_timestamp_micros),
    })
}
