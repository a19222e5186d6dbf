/*
 * report - figures by name, as lines of text or as JSON.
 *
 *	rows<TAB>200				{ "task": "negatives", "rows": 200, "hardness": 0.59410000...,
 *	hardness<TAB>0.5941			  "histogram": [ { "from": -1.0, "to": -0.9, "count": 0 }, ... ] }
 *	histogram<TAB>-1.0000<TAB>-0.9000<TAB>0
 *
 * Text is rounded, JSON is not.  A figure that is not known is left out of both.
 */
#ifndef CN_EVAL_REPORT_H
#define CN_EVAL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/output.h"

#define CN_REPORT_UNKNOWN UINT64_MAX

struct cn_report;

struct cn_report *cn_report_new(const char *task, struct cn_err *err);

/* These remember that memory was short until cn_report_write. */
void cn_report_count(struct cn_report *report, const char *name, uint64_t count);	/* CN_REPORT_UNKNOWN: not known */
void cn_report_real(struct cn_report *report, const char *name, double value, int digits);	/* NaN: not known */

/* n bins of equal width from low to high. */
void cn_report_bins(struct cn_report *report, const char *name, const uint64_t *count, size_t n, double low, double high);

int cn_report_write(struct cn_report *report, bool json, struct cn_output *output, struct cn_err *err);
void cn_report_free(struct cn_report *report);

#endif
