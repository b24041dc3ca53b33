// ROUGE-1, ROUGE-2 and ROUGE-L, F1 with the Porter stemmer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sylvester {

// Porter's algorithm as NLTK has it in its default mode, which rouge-score uses: the original of
// 1980 with NLTK's extensions (irregular forms, -ies of short words, -logi and others).
// `word` is lower-case ASCII; words of at most 3 letters stay (rouge-score's rule is in tokenize).
std::string porter_stem(std::string_view word);

// Lower case; runs of anything but a-z and 0-9 part the words; words longer than 3 letters are
// stemmed. Source: rouge-score 0.1.2, tokenize.py.
std::vector<std::string> rouge_tokens(std::string_view text);

struct RougeScores {
  double rouge1 = 0, rouge2 = 0, rougeL = 0;  // F1
};
// Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004; equal to
// rouge_score.rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True).
RougeScores rouge(std::string_view reference, std::string_view prediction);

}  // namespace sylvester
