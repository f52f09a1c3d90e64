use assay_core::{DatasetName, DraftId, Report};

use crate::column::{count, from_count, word};
use crate::database::{Session, statement};
use crate::{
    CommitRef, Event, Increment, Store, StoreError, events, halts, profiles, prune, reports,
    totals, windows,
};

/// The last commit of a target that the store has taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub sequence: u64,
    pub snapshot: i64,
    pub draft: DraftId,
}

/// One commit of a target, and all that it means for the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    pub target: DatasetName,
    pub sequence: u64,
    pub snapshot: i64,
    pub report: Report,
    pub events: Vec<Event>,
    pub totals: Vec<Increment>,
}

impl Store {
    /// How far the commits of `target` have been told.
    pub async fn told(&self, target: &DatasetName) -> Result<Option<Told>, StoreError> {
        let failed = self.failed("read how far a target was told");
        let row = statement("SELECT sequence, snapshot, draft FROM told WHERE target = $1")
            .bind(target.to_string())
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let told = || {
            Ok(Told {
                sequence: count(&row, "sequence")?,
                snapshot: row.try_get("snapshot")?,
                draft: DraftId(word(&row, "draft")?),
            })
        };
        told().map(Some).map_err(failed)
    }

    /// Takes in a commit: the mark, the report, the events and the totals, all or nothing.
    ///
    /// False, and without any effect, when this or a later commit of the target was told before,
    /// by whatever process.
    pub async fn tell(&self, telling: &Telling) -> Result<bool, StoreError> {
        self.try_tell(telling).await.map_err(self.failed("tell a commit"))
    }

    /// Takes in the report of a batch that was halted, and so has no commit.
    ///
    /// False, and without any effect, when the report is there already.
    pub async fn halted(
        &self,
        report: &Report,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        self.try_halted(report, events, totals).await.map_err(self.failed("report a halt"))
    }

    /// Forgets how far `target` was told, for a target that was made anew and counts its commits
    /// from the start again. Its reports, events and totals stay.
    pub async fn forget(&self, target: &DatasetName) -> Result<(), StoreError> {
        statement("DELETE FROM told WHERE target = $1")
            .bind(target.to_string())
            .execute(self.pool())
            .await
            .map_err(self.failed("forget how far a target was told"))?;
        Ok(())
    }

    /// Begins the commits of `target` anew: it is another one than was told before, with numbers of
    /// its own. Its reports, events and totals stay, and a draft that was told counts no more.
    pub async fn tell_anew(&self, target: &DatasetName) -> Result<(), StoreError> {
        statement("UPDATE told SET sequence = 0, snapshot = 0 WHERE target = $1")
            .bind(target.to_string())
            .execute(self.pool())
            .await
            .map_err(self.failed("begin to tell a target anew"))?;
        Ok(())
    }

    async fn try_tell(&self, telling: &Telling) -> Result<bool, sqlx::Error> {
        let mut transaction = self.write().await?;
        if !move_mark(&mut transaction, telling).await? {
            return Ok(false);
        }
        let commit = CommitRef { sequence: telling.sequence, snapshot: telling.snapshot };
        // After `forget`, a commit may come again: its draft was counted then, also when its report
        // was pruned since.
        let report = &telling.report;
        let new = !prune::was_pruned(&mut transaction, report).await?
            && reports::put(&mut transaction, report, Some(commit)).await?;
        if new {
            halts::close(&mut transaction, report).await?;
            windows::add(&mut transaction, &report.windows).await?;
            if let Some(remembered) = &report.remembered {
                profiles::put(&mut transaction, report, remembered).await?;
            }
            let of = Some(report.judged_at);
            let (run, events) = (&report.run, &telling.events);
            events::put(&mut transaction, run, events, &self.recipients, of).await?;
            totals::add(&mut transaction, &telling.totals).await?;
        }
        transaction.commit().await?;
        Ok(new)
    }

    async fn try_halted(
        &self,
        report: &Report,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, sqlx::Error> {
        let mut transaction = self.write().await?;
        if !reports::put(&mut transaction, report, None).await? {
            return Ok(false);
        }
        halts::put(&mut transaction, report).await?;
        let (run, of) = (&report.run, Some(report.judged_at));
        events::put(&mut transaction, run, events, &self.recipients, of).await?;
        totals::add(&mut transaction, totals).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Moves the mark of the target on, never back; false when it is there already.
async fn move_mark(connection: &mut Session, telling: &Telling) -> Result<bool, sqlx::Error> {
    let moved = statement(
        "INSERT INTO told (target, sequence, snapshot, draft) VALUES ($1, $2, $3, $4)
         ON CONFLICT (target) DO UPDATE SET sequence = excluded.sequence,
             snapshot = excluded.snapshot, draft = excluded.draft
         WHERE told.sequence < excluded.sequence",
    )
    .bind(telling.target.to_string())
    .bind(from_count(telling.sequence))
    .bind(telling.snapshot)
    .bind(telling.report.draft.to_string())
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() > 0)
}
