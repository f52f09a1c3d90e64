//! Batches that quality halted, and those of them that a person let pass.

use assay_core::{ContractRef, DraftId, Position, Report, StageId};
use chrono::{DateTime, NaiveDate, Utc};

use crate::column::{from_time, json, some_time};
use crate::database::{Row, Session, statement};
use crate::{AuditEntry, Store, StoreError, audit};

/// A halted batch that no commit of its stage has come after. `report.draft` names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Halt {
    pub report: Report,
    /// When a person let this batch pass. A batch that was read and halted again has another
    /// draft, and is the same batch.
    pub accepted_at: Option<DateTime<Utc>>,
}

impl Halt {
    /// Whether both are of the same rows, judged by the same contract.
    fn same_batch(&self, other: &Halt) -> bool {
        let (a, b) = (&self.report, &other.report);
        a.run.stage == b.run.stage
            && a.stretch() == b.stretch()
            && a.recomputed == b.recomputed
            && a.contract == b.contract
    }

    /// Whether a reader at `from` meets rows of the batch again. Of a topic that several workers
    /// share, each moves partitions of its own.
    fn lies_before(&self, from: &Position) -> bool {
        let stretch = self.report.stretch();
        stretch.iter().any(|(slice, (mark, _))| from.mark(slice) == *mark)
    }
}

const OPEN: &str = "SELECT r.body, h.accepted_at FROM halts h JOIN reports r ON r.draft = h.draft
    WHERE h.closed_by IS NULL";

impl Store {
    /// The newest halt of a stage that reads from `from` and is judged by `contract`, unless the
    /// stage has committed something since: of what was new there, or of the day that is computed
    /// anew.
    pub async fn latest_halt(
        &self,
        stage: &StageId,
        from: &Position,
        contract: Option<&ContractRef>,
        day: Option<NaiveDate>,
    ) -> Result<Option<Halt>, StoreError> {
        let here = |halt: &Halt| {
            let day = halt.report.recomputed.is_none() || halt.report.recomputed == day;
            day && halt.lies_before(from) && halt.report.contract.as_ref() == contract
        };
        let found = async {
            match self.find_halt(stage, "", here).await? {
                None => Ok(None),
                Some(halt) => self.with_acceptance(halt).await.map(Some),
            }
        };
        found.await.map_err(self.failed("look for a halted batch"))
    }

    /// The halt with that id, unless its stage has committed something since.
    pub async fn halt(&self, draft: DraftId) -> Result<Option<Halt>, StoreError> {
        let found = async {
            let sql = format!("{OPEN} AND h.draft = $1");
            let query = statement(&sql).bind(draft.to_string());
            match query.fetch_optional(self.pool()).await? {
                None => Ok(None),
                Some(row) => self.with_acceptance(halt(&row)?).await.map(Some),
            }
        };
        found.await.map_err(self.failed("look for a halted batch"))
    }

    /// Lets a halted batch pass, and keeps who did so and why, together.
    ///
    /// False, and without effect, when no halt with that id stands open. Done again, it is true
    /// and leaves no second entry.
    pub async fn accept(&self, draft: DraftId, entry: &AuditEntry) -> Result<bool, StoreError> {
        self.try_accept(draft, entry).await.map_err(self.failed("accept a halted batch"))
    }

    /// Whether the batch with that id was let pass and is not committed yet.
    pub async fn accepted(&self, draft: DraftId) -> Result<bool, StoreError> {
        Ok(self.halt(draft).await?.is_some_and(|halt| halt.accepted_at.is_some()))
    }

    async fn try_accept(&self, draft: DraftId, entry: &AuditEntry) -> Result<bool, sqlx::Error> {
        let mut transaction = self.write().await?;
        let marked = statement(
            "UPDATE halts SET accepted_at = $2
             WHERE draft = $1 AND closed_by IS NULL AND accepted_at IS NULL",
        )
        .bind(draft.to_string())
        .bind(from_time(entry.at))
        .execute(&mut transaction)
        .await?;
        if marked.rows_affected() == 0 {
            let known = statement("SELECT 1 FROM halts WHERE draft = $1 AND closed_by IS NULL")
                .bind(draft.to_string())
                .fetch_optional(&mut transaction)
                .await?;
            return Ok(known.is_some());
        }
        audit::put(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn with_acceptance(&self, mut halt: Halt) -> Result<Halt, sqlx::Error> {
        if halt.accepted_at.is_none() {
            let accepted = "AND h.accepted_at IS NOT NULL";
            let same = |other: &Halt| halt.same_batch(other);
            let other = self.find_halt(&halt.report.run.stage, accepted, same).await?;
            halt.accepted_at = other.and_then(|other| other.accepted_at);
        }
        Ok(halt)
    }

    /// The newest open halt of a stage that is `wanted`.
    async fn find_halt(
        &self,
        stage: &StageId,
        which: &str,
        wanted: impl Fn(&Halt) -> bool + Send + Sync,
    ) -> Result<Option<Halt>, sqlx::Error> {
        let sql = format!(
            "{OPEN} {which} AND h.pipeline = $1 AND h.stage = $2
             ORDER BY h.judged_at DESC, h.draft DESC"
        );
        let mut found = None;
        let query = statement(&sql).bind(&stage.pipeline).bind(&stage.stage);
        let look = |row: &Row| {
            found = Some(halt(row)?).filter(&wanted);
            Ok(found.is_none())
        };
        query.each(self.pool(), look).await?;
        Ok(found)
    }
}

/// Takes in that a batch was halted.
pub(crate) async fn put(connection: &mut Session, report: &Report) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO halts (draft, pipeline, stage, judged_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (draft) DO NOTHING",
    )
    .bind(report.draft.to_string())
    .bind(&report.run.stage.pipeline)
    .bind(&report.run.stage.stage)
    .bind(from_time(report.judged_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes the halts of a stage whose rows a later commit of it has read.
pub(crate) async fn close(connection: &mut Session, commit: &Report) -> Result<(), sqlx::Error> {
    let sql = format!("{OPEN} AND h.pipeline = $1 AND h.stage = $2 AND h.judged_at < $3");
    let open = statement(&sql)
        .bind(&commit.run.stage.pipeline)
        .bind(&commit.run.stage.stage)
        .bind(from_time(commit.judged_at))
        .fetch_all(&mut *connection)
        .await?;
    for row in &open {
        let halt = halt(row)?;
        if overtaken(&halt.report, commit) {
            statement("UPDATE halts SET closed_by = $2 WHERE draft = $1")
                .bind(halt.report.draft.to_string())
                .bind(commit.draft.to_string())
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// Whether a commit moved a slice that the halted batch would have moved. One of other partitions
/// says nothing about the batch; one that moved none says that the stage went on.
fn overtaken(halted: &Report, commit: &Report) -> bool {
    let (would, did) = (halted.stretch(), commit.stretch());
    did.is_empty() || did.keys().any(|slice| would.contains_key(slice))
}

fn halt(row: &Row) -> Result<Halt, sqlx::Error> {
    Ok(Halt { report: json(row, "body")?, accepted_at: some_time(row, "accepted_at")? })
}
