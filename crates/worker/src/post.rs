//! Delivers the messages that this object sends. The rows of its outbox are the only state: after an
//! eviction the same letters are delivered again, and receivers know those they had.

use std::cell::Cell;

use futures_util::future::join_all;
use tidelog_core::{ActorCommand, Command, Letter, Outcome};
use tidelog_log::Result;

use crate::js;
use crate::messages::ObjectAsk;
use crate::object::Object;

/// Letters on their way at once; each is for another receiver.
const LETTERS_AT_ONCE: u64 = 16;
/// Rounds that one alarm makes; what is left comes with the next one.
const ROUNDS: usize = 64;

/// Clears a flag when it goes out of scope, also when the future that holds it is dropped.
pub(crate) struct Delivering<'d>(pub(crate) &'d Cell<bool>);

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Object {
    /// Delivers what is due. What becomes of a letter is known before the next for the same receiver
    /// leaves, so only one delivers at a time.
    pub(crate) async fn deliver_all(&self) -> Result<()> {
        if self.delivering.replace(true) {
            return Ok(());
        }
        let _delivering = Delivering(&self.delivering);
        for _ in 0..ROUNDS {
            let now = js::now();
            let letters = self.read(|view, sql| view.letters_due(sql, now, LETTERS_AT_ONCE))?;
            if letters.is_empty() {
                return Ok(());
            }
            // A letter leaves once the turn that sent it is durable.
            self.gate.pass().await?;
            let outcomes = join_all(letters.into_iter().map(|letter| self.hand_over(letter)));
            for told in outcomes.await {
                self.turn(Command::Actor(Box::new(told)))?;
            }
        }
        Ok(())
    }

    /// When the alarm has to ring for letters that came meanwhile.
    pub(crate) fn letters_at(&self) -> Result<Option<i64>> {
        let now = js::now();
        let due = self.read(|view, sql| view.letters_due(sql, now, 1))?;
        Ok((!due.is_empty()).then_some(now))
    }

    /// Hands a letter to its receiver; what the sender is told of it.
    async fn hand_over(&self, letter: Letter) -> ActorCommand {
        let (to, number) = (letter.to.clone(), letter.number);
        let taken = match to == self.address {
            true => self.take_letter(letter).await,
            false => {
                let letter = Box::new(letter);
                let ask = ObjectAsk::Deliver { letter };
                self.peers.object(&to, &ask, None).await
            }
        };
        ActorCommand::Delivered {
            to,
            number,
            outcome: match taken {
                Ok(()) => Outcome::Taken,
                Err(error) => Outcome::Failed(error),
            },
        }
    }

    /// Takes a letter of another object, or of this one.
    pub(crate) async fn take_letter(&self, letter: Letter) -> Result<()> {
        let schema = self.schema().await?;
        let command = ActorCommand::Deliver { schema, letter };
        self.turn(Command::Actor(Box::new(command)))?;
        self.settled().await
    }
}
