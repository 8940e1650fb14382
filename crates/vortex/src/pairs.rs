//! Columns whose texts come from each other, such as the images before and after a change: both are
//! encoded as one sequence, which the page of the earlier column holds.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use bytes::Bytes;

use crate::arrays::dense;
use crate::choose::{Chooser, seem_shaped};
use crate::node::Node;
use crate::shapes::{HISTORY_IMAGES_MAX, Scanner, Survey};
use crate::text_node::{Head, ShapesHead, TextNode};
use crate::texts::Strings;
use crate::values::Values;
use crate::{ColumnSpec, Result, limits};

/// Rows that show whether two columns are a pair.
const SAMPLE_ROWS: usize = 512;

/// Two columns that are encoded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The place of the column that holds both.
    pub(crate) first: usize,
    /// The place of the other one.
    pub(crate) second: usize,
    /// True if in each row the second comes before the first.
    pub(crate) second_leads: bool,
}

/// Finds the pairs among columns; each column is in at most one.
pub(crate) fn pairs_of(specs: &[ColumnSpec], arrays: &[ArrayRef]) -> Result<Vec<Pair>> {
    let mut shaped = Vec::new();
    for (place, array) in arrays.iter().enumerate().take(specs.len()) {
        let from = array.len().saturating_sub(SAMPLE_ROWS) / 2;
        let sample = array.slice(from, array.len().min(SAMPLE_ROWS));
        let texts = Side::of(&sample)?;
        if texts
            .as_ref()
            .is_some_and(|side| seem_shaped(side.strings()))
        {
            shaped.extend(texts.map(|texts| (place, texts)));
        }
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for (number, (first, one)) in shaped.iter().enumerate() {
        for (second, other) in &shaped[number + 1..] {
            let is_taken = |pair: &Pair| {
                [first, second]
                    .iter()
                    .any(|place| [pair.first, pair.second].contains(place))
            };
            if pairs.iter().any(is_taken) {
                continue;
            }
            let score = |second_leads| sequence(one, other, second_leads).1.saved();
            let (behind, leading) = (score(false), score(true));
            if behind.max(leading) * 4 >= one.valid.count_set_bits() + other.valid.count_set_bits()
            {
                let (first, second) = (*first, *second);
                let second_leads = leading > behind;
                pairs.push(Pair {
                    first,
                    second,
                    second_leads,
                });
            }
        }
    }
    Ok(pairs)
}

/// The texts of one column in a page, and in which rows they are.
pub(crate) struct Side {
    valid: BooleanBuffer,
    offsets: Vec<i32>,
    data: Vec<u8>,
}

impl Side {
    /// `None` for other types.
    pub(crate) fn of(array: &ArrayRef) -> Result<Option<Self>> {
        if *array.data_type() != arrow_schema::DataType::Utf8 {
            return Ok(None);
        }
        let (valid, values) = dense(array)?;
        let valid = valid.unwrap_or_else(|| BooleanBuffer::new_set(array.len()));
        Ok(match values {
            Values::Bytes { offsets, data } => Some(Self {
                valid,
                offsets,
                data,
            }),
            _ => None,
        })
    }

    fn strings(&self) -> Strings<'_> {
        Strings {
            offsets: &self.offsets,
            data: &self.data,
        }
    }
}

/// The texts of both in the order they come about, and which are of the second column.
fn sequence(first: &Side, second: &Side, second_leads: bool) -> (BooleanBuffer, Survey) {
    let (mut order, mut images) = (Vec::new(), Vec::new());
    let (mut ones, mut others) = (first.strings().iter(), second.strings().iter());
    let sides = if second_leads {
        [true, false]
    } else {
        [false, true]
    };
    for (is_first, is_second) in first.valid.iter().zip(&second.valid) {
        for side in sides {
            let image = match side {
                true if is_second => others.next(),
                false if is_first => ones.next(),
                _ => None,
            };
            if let Some(image) = image {
                order.push(side);
                images.push(image);
            }
        }
    }
    let survey = Survey::of(images.iter().copied(), images.len(), Scanner::Json, true);
    (order.into(), survey)
}

impl Chooser {
    /// Encodes a page of both columns of a pair; `None` where it is not worth it.
    pub(crate) fn pair(
        &mut self,
        first: &ArrayRef,
        second: &ArrayRef,
        second_leads: bool,
    ) -> Result<Option<Node>> {
        let (Some(one), Some(other)) = (Side::of(first)?, Side::of(second)?) else {
            return Ok(None);
        };
        let others = other.valid.count_set_bits();
        let images = others + one.valid.count_set_bits();
        let bytes = one.data.len() + other.data.len();
        if others == 0
            || others == images
            || images > HISTORY_IMAGES_MAX
            || bytes > limits::PAGE_BYTES_MAX
        {
            return Ok(None);
        }
        let (order, survey) = sequence(&one, &other, second_leads);
        if survey.saved() * 8 < order.len() {
            return Ok(None);
        }
        let head = ShapesHead {
            raw_bytes: one.data.len(),
            others,
            other_bytes: other.data.len(),
            ..ShapesHead::default()
        };
        let order = self.bits(&order);
        let node = self.shaped(&survey, head, Some(order), 1);
        let nulls = first.null_count() > 0;
        let valid = nulls.then_some(&one.valid);
        Ok(Some(self.with_nulls(valid, node)))
    }

    /// The page of a column whose texts the column at `place` holds.
    pub(crate) fn partner(&mut self, array: &ArrayRef, place: usize) -> Node {
        let node = Node::Text(Box::new(TextNode {
            head: Head::Partner(place),
            children: Vec::new(),
            data: Bytes::new(),
        }));
        let valid = array.nulls().filter(|nulls| nulls.null_count() > 0);
        self.with_nulls(valid.map(|nulls| nulls.inner()), node)
    }

    /// Puts nulls around the values that are there.
    fn with_nulls(&mut self, valid: Option<&BooleanBuffer>, values: Node) -> Node {
        match valid {
            None => values,
            Some(valid) => Node::Nullable {
                count: valid.count_set_bits(),
                valid: Box::new(self.bits(valid)),
                values: Box::new(values),
            },
        }
    }
}
