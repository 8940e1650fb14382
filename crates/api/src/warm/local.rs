//! The warm tier where cache and objects are in one process.

use tidelog_log::Result;

use super::read::{Answered, Question, Read, read};
use super::{Terms, WarmHost, entries};
use crate::handle::{self, Routed};
use crate::{BodySource, ObjectHost, Operation, Response, documents};

/// Answers a request for an object, from the cache where that is asked for.
pub(crate) async fn of_object<H: ObjectHost + WarmHost, B: BodySource>(
    host: &H,
    operation: Operation,
    request: Routed<B>,
) -> Result<Response<B>> {
    match operation {
        Operation::GetCacheEntry => entries::get(host, &request).await,
        Operation::PutCacheEntry => entries::put(host, request).await,
        Operation::DeleteCacheEntry => entries::delete(host, &request).await,
        Operation::GetDocument => document(host, &request).await,
        Operation::Query => query(host, request).await,
        other => handle::of_object(host, other, request).await,
    }
}

async fn document<H: ObjectHost + WarmHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    let terms = Terms::of_parameters(&request.parameters)?;
    let object = request.object()?;
    if !terms.warm() {
        return documents::get(host, request).await;
    }
    let schema = host.newest(&object.type_name).await?;
    let question = Question::Document(request.value(3).to_owned());
    let (collection, headers) = (request.value(2), &request.headers);
    let warm = Read::of(
        &object,
        &schema,
        collection,
        question,
        terms.at_least,
        headers,
    );
    let Some(warm) = warm else {
        return documents::get(host, request).await;
    };
    let origin = async {
        let (found, stamp) = documents::find(host, request, terms).await?;
        let (body, tag) = documents::rendered(found);
        Ok(Answered::Value { body, tag, stamp })
    };
    read(host, &warm, origin).await
}

async fn query<H: ObjectHost + WarmHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let object = request.object()?;
    let query = documents::read_query(&mut request).await?;
    let terms = Terms::of_query(&query)?;
    if !terms.warm() {
        return documents::answer_query(host, &request, query).await;
    }
    let schema = host.newest(&object.type_name).await?;
    let (collection, headers) = (request.value(2), &request.headers);
    let question = Question::query(&query);
    let warm = Read::of(
        &object,
        &schema,
        collection,
        question,
        terms.at_least,
        headers,
    );
    let Some(warm) = warm else {
        return documents::answer_query(host, &request, query).await;
    };
    let origin = async {
        let answer = host.query(&object, collection, query).await?;
        let (body, stamp) = (documents::rendered_query(&answer), answer.stamp);
        let tag = String::new();
        Ok(Answered::Value { body, tag, stamp })
    };
    read(host, &warm, origin).await
}
