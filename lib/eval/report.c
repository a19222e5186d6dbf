/* report - every figure goes into the words and into the JSON object as it comes. */
#include "eval/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "data/jsontext.h"
#include "base/banned.h"

struct cn_report {
	json_t *root;
	FILE *words;
	char *text;
	size_t size;
	bool failed;
};

struct cn_report *
cn_report_new(const char *task, struct cn_err *err)
{
	struct cn_report *report = cn_mem_array(1, sizeof *report, err);

	if (!report)
		return NULL;
	report->root = json_pack("{ss}", "task", task);
	report->words = open_memstream(&report->text, &report->size);
	if (report->root && report->words)
		return report;
	cn_err_set(err, CN_FAILED, "out of memory for a report");
	cn_report_free(report);
	return NULL;
}

static void
put(struct cn_report *report, const char *name, json_t *value)
{
	report->failed |= json_object_set_new(report->root, name, value) < 0;
}

void
cn_report_count(struct cn_report *report, const char *name, uint64_t count)
{
	if (count == CN_REPORT_UNKNOWN)
		return;
	fprintf(report->words, "%s\t%" PRIu64 "\n", name, count);
	put(report, name, json_integer((json_int_t)count));
}

void
cn_report_real(struct cn_report *report, const char *name, double value, int digits)
{
	if (isnan(value))
		return;
	fprintf(report->words, "%s\t%.*f\n", name, digits, value);
	put(report, name, json_real(value));
}

void
cn_report_bins(struct cn_report *report, const char *name, const uint64_t *count, size_t n, double low, double high)
{
	json_t *bins = json_array();

	for (size_t i = 0; i < n; i++) {
		const double from = (low * (double)(n - i) + high * (double)i) / (double)n;
		const double to = (low * (double)(n - i - 1) + high * (double)(i + 1)) / (double)n;

		fprintf(report->words, "%s\t%.4f\t%.4f\t%" PRIu64 "\n", name, from, to, count[i]);
		report->failed |= json_array_append_new(bins, json_pack("{sf,sf,sI}", "from", from, "to", to,
			"count", (json_int_t)count[i])) < 0;
	}
	put(report, name, bins);
}

int
cn_report_write(struct cn_report *report, bool json, struct cn_output *output, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (json) {
		rewind(report->words);
		cn_jsontext_write(json_incref(report->root), report->words, err);
	}
	if (fflush(report->words) != 0 || ferror(report->words) || report->failed)
		return cn_err_set(err, CN_FAILED, "out of memory for a report");
	return cn_output_write(output, report->text, report->size, err);
}

void
cn_report_free(struct cn_report *report)
{
	if (!report)
		return;
	json_decref(report->root);
	if (report->words)
		fclose(report->words);
	free(report->text);
	cn_mem_free(report);
}
