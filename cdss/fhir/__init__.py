"""The one room that knows FHIR JSON; it gives out events, facts and rejections."""
