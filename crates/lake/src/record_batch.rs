//! Events as Arrow columns, in the order of the table schema.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, FixedSizeBinaryBuilder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, LargeBinaryBuilder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use serde_json::Map;
use tidelog_log::{
    Error, FieldId, FieldType, OldValue, Operation, RawEvent, RawFields, Reader, Result, Row,
    Value, ValueRef,
};

use crate::columns::{TableSchema, element, timestamp};
use crate::foreign;

/// Column builders of one flush.
pub(crate) struct ChangeColumns<'a> {
    schema: &'a TableSchema,
    object: StringBuilder,
    epoch: Int64Builder,
    sequence: Int64Builder,
    operation: StringBuilder,
    key: StringBuilder,
    timestamp: TimestampMicrosecondBuilder,
    turn: Int64Builder,
    schema_version: Int32Builder,
    source: StringBuilder,
    correlation_id: StringBuilder,
    cause: StringBuilder,
    changed_fields: StringBuilder,
    before: StringBuilder,
    extra: StringBuilder,
    declared: Vec<(FieldId, FieldColumn)>,
}

enum FieldColumn {
    Bool(BooleanBuilder),
    Long(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Binary(LargeBinaryBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Vector(ListBuilder<Float32Builder>),
}

impl<'a> ChangeColumns<'a> {
    /// Empty columns of `schema`.
    pub(crate) fn new(schema: &'a TableSchema) -> Self {
        let declared = schema.columns.iter();
        Self {
            schema,
            object: StringBuilder::new(),
            epoch: Int64Builder::new(),
            sequence: Int64Builder::new(),
            operation: StringBuilder::new(),
            key: StringBuilder::new(),
            timestamp: TimestampMicrosecondBuilder::new().with_data_type(timestamp()),
            turn: Int64Builder::new(),
            schema_version: Int32Builder::new(),
            source: StringBuilder::new(),
            correlation_id: StringBuilder::new(),
            cause: StringBuilder::new(),
            changed_fields: StringBuilder::new(),
            before: StringBuilder::new(),
            extra: StringBuilder::new(),
            declared: declared
                .map(|column| (column.id, FieldColumn::new(column.id, column.field_type)))
                .collect(),
        }
    }

    /// Appends one event of `object`.
    ///
    /// # Errors
    /// `corrupt` for a value of another type than its field's, or of a field that is not in the
    /// schema: nothing is left out silently.
    pub(crate) fn append(&mut self, object: &str, event: &RawEvent<'_>) -> Result<()> {
        let turn = &event.turn;
        self.object.append_value(object);
        self.epoch.append_value(turn.epoch.0.cast_signed());
        self.sequence.append_value(event.sequence.0.cast_signed());
        self.operation.append_value(event.operation.name());
        self.key.append_value(event.key);
        self.timestamp
            .append_value(turn.timestamp.saturating_mul(1_000));
        self.turn.append_value(turn.first_sequence.0.cast_signed());
        self.schema_version
            .append_value(turn.schema_version.cast_signed());
        append_label(&mut self.source, &turn.source);
        append_label(&mut self.correlation_id, &turn.correlation_id);
        append_label(&mut self.cause, &turn.cause);
        let mut image = Reader::new(event.image);
        self.append_fields(&mut image)?;
        let extra = Row::decode_extra(&mut image)?;
        match extra.is_empty() {
            true => self.extra.append_null(),
            false => self.extra.append_value(json_text(&extra)?),
        }
        if event.operation == Operation::Update {
            return self.append_changed(OldValue::decode_all(&mut image)?);
        }
        self.changed_fields.append_null();
        self.before.append_null();
        Ok(())
    }

    fn append_changed(&mut self, changed: Vec<OldValue>) -> Result<()> {
        let mut names = Vec::with_capacity(changed.len());
        let mut before = Map::new();
        for old in changed {
            let (name, value) = match old {
                OldValue::Field(id, value) => {
                    let name = self.schema.name_of(id).ok_or_else(|| unknown_field(id))?;
                    (name.to_owned(), value.as_ref().map(Value::to_json))
                }
                OldValue::Extra(name, value) => (name, value),
            };
            if let Some(value) = value {
                before.insert(name.clone(), value);
            }
            names.push(name);
        }
        self.changed_fields.append_value(json_text(&names)?);
        self.before.append_value(json_text(&before)?);
        Ok(())
    }

    fn append_fields(&mut self, image: &mut Reader<'_>) -> Result<()> {
        let mut fields = RawFields::new(image)?;
        let mut next = fields.next(image)?;
        for (id, column) in &mut self.declared {
            match next {
                Some((field, value)) if field == *id => {
                    column.append(*id, value)?;
                    next = fields.next(image)?;
                }
                Some((field, _)) if field < *id => return Err(unknown_field(field)),
                _ => column.append_null(),
            }
        }
        match next {
            Some((field, _)) => Err(unknown_field(field)),
            None => Ok(()),
        }
    }

    /// The rows.
    pub(crate) fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.object.finish()),
            Arc::new(self.epoch.finish()),
            Arc::new(self.sequence.finish()),
            Arc::new(self.operation.finish()),
            Arc::new(self.key.finish()),
            Arc::new(self.timestamp.finish()),
            Arc::new(self.turn.finish()),
            Arc::new(self.schema_version.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.correlation_id.finish()),
            Arc::new(self.cause.finish()),
            Arc::new(self.changed_fields.finish()),
            Arc::new(self.before.finish()),
            Arc::new(self.extra.finish()),
        ];
        columns.extend(self.declared.iter_mut().map(|(_, column)| column.finish()));
        RecordBatch::try_new(self.schema.to_arrow(), columns).map_err(foreign::arrow)
    }
}

impl FieldColumn {
    fn new(id: FieldId, field_type: FieldType) -> Self {
        match field_type {
            FieldType::Bool => Self::Bool(BooleanBuilder::new()),
            FieldType::Int | FieldType::BigInt => Self::Long(Int64Builder::new()),
            FieldType::Float => Self::Double(Float64Builder::new()),
            FieldType::String | FieldType::Json => Self::Text(StringBuilder::new()),
            FieldType::Date => Self::Date(Date32Builder::new()),
            FieldType::Timestamp => {
                let builder = TimestampMicrosecondBuilder::new();
                Self::Timestamp(builder.with_data_type(timestamp()))
            }
            FieldType::Binary => Self::Binary(LargeBinaryBuilder::new()),
            FieldType::Uuid => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            FieldType::Vector => {
                let builder = ListBuilder::new(Float32Builder::new());
                Self::Vector(builder.with_field(element(id)))
            }
        }
    }

    fn append(&mut self, id: FieldId, value: ValueRef<'_>) -> Result<()> {
        match (self, value) {
            (Self::Bool(column), ValueRef::Bool(b)) => column.append_value(b),
            (Self::Long(column), ValueRef::Int(i) | ValueRef::BigInt(i)) => column.append_value(i),
            (Self::Double(column), ValueRef::Float(f)) => column.append_value(f),
            (Self::Text(column), ValueRef::Text(text) | ValueRef::Json(text)) => {
                column.append_value(text);
            }
            (Self::Date(column), ValueRef::Date(days)) => column.append_value(days),
            (Self::Timestamp(column), ValueRef::Timestamp(micros)) => column.append_value(micros),
            (Self::Binary(column), ValueRef::Binary(bytes)) => column.append_value(bytes),
            (Self::Uuid(column), ValueRef::Uuid(bytes)) => {
                column.append_value(bytes).map_err(foreign::arrow)?;
            }
            (Self::Vector(column), ValueRef::Vector(items)) => {
                for item in items {
                    column.values().append_value(f32::from_le_bytes(*item));
                }
                column.append(true);
            }
            (_, value) => {
                let found = value.to_value().field_type().name();
                return Err(Error::corrupt(format!("field {id} holds a {found}")));
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Self::Bool(column) => column.append_null(),
            Self::Long(column) => column.append_null(),
            Self::Double(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Timestamp(column) => column.append_null(),
            Self::Binary(column) => column.append_null(),
            Self::Uuid(column) => column.append_null(),
            Self::Vector(column) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Long(column) => Arc::new(column.finish()),
            Self::Double(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Timestamp(column) => Arc::new(column.finish()),
            Self::Binary(column) => Arc::new(column.finish()),
            Self::Uuid(column) => Arc::new(column.finish()),
            Self::Vector(column) => Arc::new(column.finish()),
        }
    }
}

fn append_label(column: &mut StringBuilder, label: &str) {
    match label {
        "" => column.append_null(),
        label => column.append_value(label),
    }
}

fn json_text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| foreign::arrow(ArrowError::JsonError(error.to_string())))
}

fn unknown_field(id: FieldId) -> Error {
    Error::corrupt(format!(
        "an event has field {id}, which its schema version does not"
    ))
}
