/** The MIME types of what a notebook keeps. Twin: views/mime.py; a test compares them. */

export const GENERATION_MIME = 'application/vnd.llm-magics.generation+json';
/** `inside` is the name of the first version: saved notebooks have it. */
export const INSPECTION_MIME = 'application/vnd.llm-magics.inside+json';
export const TUNING_MIME = 'application/vnd.llm-magics.tuning+json';
export const PLAYGROUND_MIME = 'application/vnd.llm-magics.playground+json';
