//! What an event says of its document, taken apart by field without a copy.

use crate::{Error, FieldId, Operation, RawFields, Reader, Result, ValueRef};

/// The image of one change: its row, and for an UPDATE the old values. Each part is as it lies in the bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawImage<'a> {
    /// Declared fields of the row.
    pub fields: Vec<(FieldId, ValueRef<'a>)>,
    /// Undeclared fields of the row: how many, and their bytes.
    pub extra: (usize, &'a [u8]),
    /// Old values of declared fields; `None`: the field was absent.
    pub old: Vec<(FieldId, Option<ValueRef<'a>>)>,
    /// Old values of undeclared fields, which follow: how many, and their bytes.
    pub old_extra: (usize, &'a [u8]),
}

impl<'a> RawImage<'a> {
    /// Takes the image of a change of this kind apart.
    ///
    /// # Errors
    /// `corrupt` when the bytes are no image.
    pub fn read(operation: Operation, image: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(image);
        let mut read = Self::default();
        let mut fields = RawFields::new(&mut reader)?;
        while let Some(field) = fields.next(&mut reader)? {
            read.fields.push(field);
        }
        let count = reader.count(2)?;
        read.extra = (
            count,
            taken(&mut reader, |reader| skip_extra(reader, count))?,
        );
        if operation == Operation::Update {
            read.read_old(&mut reader)?;
        }
        match reader.is_empty() {
            true => Ok(read),
            false => Err(Error::corrupt("bytes after the image of a change")),
        }
    }

    fn read_old(&mut self, reader: &mut Reader<'a>) -> Result<()> {
        let count = reader.count(2)?;
        while self.old.len() < count {
            let mut ahead = *reader;
            let id = ahead.varint()?;
            if id == 0 {
                break;
            }
            let id = FieldId::try_from(id);
            let id = id.map_err(|_| Error::corrupt("a field id is too large"))?;
            self.old.push((id, ValueRef::decode(&mut ahead)?));
            *reader = ahead;
        }
        let left = count - self.old.len();
        self.old_extra = (left, taken(reader, |reader| skip_old_extra(reader, left))?);
        Ok(())
    }
}

/// The bytes that `skip` steps over.
fn taken<'a>(
    reader: &mut Reader<'a>,
    skip: impl FnOnce(&mut Reader<'a>) -> Result<()>,
) -> Result<&'a [u8]> {
    let mut end = *reader;
    skip(&mut end)?;
    reader.take(reader.remaining() - end.remaining())
}

fn skip_extra(reader: &mut Reader<'_>, count: usize) -> Result<()> {
    for _ in 0..count {
        reader.bytes()?;
        reader.bytes()?;
    }
    Ok(())
}

fn skip_old_extra(reader: &mut Reader<'_>, count: usize) -> Result<()> {
    for _ in 0..count {
        if reader.varint()? != 0 {
            return Err(Error::corrupt("old values are not in order"));
        }
        reader.bytes()?;
        match reader.byte()? {
            0 => {}
            1 => drop(reader.bytes()?),
            tag => return Err(Error::corrupt(format!("unknown presence tag {tag}"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Row, Value, put_varint};
    use serde_json::json;

    #[test]
    fn an_image_comes_apart_by_field() {
        let row = |n: i64, x: Option<i64>| Row {
            fields: vec![(1, Value::Int(n)), (4, Value::Text("t".to_owned()))],
            extra: x.map(|x| ("x".to_owned(), json!(x))).into_iter().collect(),
        };
        let (after, mut before) = (row(1, Some(5)), row(2, None));
        before.fields.pop();
        let old = after.changes_from(&before);
        let mut image = Vec::new();
        after.encode(&mut image);
        let inserted = image.len();
        put_varint(&mut image, old.len() as u64);
        old.iter().for_each(|value| value.encode(&mut image));

        let read = RawImage::read(Operation::Update, &image).unwrap();
        let fields = [(1, ValueRef::Int(1)), (4, ValueRef::Text("t"))];
        assert_eq!(read.fields, fields);
        assert_eq!(read.extra, (1, &b"\x01x\x015"[..]));
        assert_eq!(read.old, [(1, Some(ValueRef::Int(2))), (4, None)]);
        assert_eq!(read.old_extra, (1, &b"\0\x01x\0"[..]));
        assert!(RawImage::read(Operation::Insert, &image).is_err());
        let insert = RawImage::read(Operation::Insert, &image[..inserted]).unwrap();
        assert_eq!((insert.fields, insert.old), (read.fields, Vec::new()));
        for end in 0..image.len() {
            assert!(RawImage::read(Operation::Update, &image[..end]).is_err());
        }
    }
}
