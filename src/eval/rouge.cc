#include "sylvester/eval/rouge.h"

#include <algorithm>
#include <map>

namespace sylvester {
namespace {

using Words = std::vector<std::string>;

double f1(double precision, double recall) {
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0.0;
}

double ngram_f1(const Words& reference, const Words& prediction, std::size_t n) {
  const auto count = [n](const Words& words) {
    std::map<Words, std::int64_t> grams;
    for (std::size_t i = 0; i + n <= words.size(); ++i) {
      ++grams[Words(words.begin() + static_cast<std::ptrdiff_t>(i),
                    words.begin() + static_cast<std::ptrdiff_t>(i + n))];
    }
    return grams;
  };
  const auto in_reference = count(reference), in_prediction = count(prediction);
  std::int64_t common = 0;
  for (const auto& [gram, times] : in_reference) {
    const auto found = in_prediction.find(gram);
    if (found != in_prediction.end()) common += std::min(times, found->second);
  }
  const auto grams = [n](const Words& w) {
    return static_cast<double>(std::max<std::size_t>(1, w.size() >= n ? w.size() - n + 1 : 0));
  };
  return f1(static_cast<double>(common) / grams(prediction),
            static_cast<double>(common) / grams(reference));
}

std::size_t longest_common_subsequence(const Words& a, const Words& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> rouge_tokens(std::string_view text) {
  Words out;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) out.push_back(word.size() > 3 ? porter_stem(word) : word);
    word.clear();
  };
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool keeps = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (keeps) {
      word += c;
    } else {
      finish();
    }
  }
  finish();
  return out;
}

RougeScores rouge(std::string_view reference, std::string_view prediction) {
  const Words r = rouge_tokens(reference), p = rouge_tokens(prediction);
  RougeScores scores;
  scores.rouge1 = ngram_f1(r, p, 1);
  scores.rouge2 = ngram_f1(r, p, 2);
  if (!r.empty() && !p.empty()) {
    const auto common = static_cast<double>(longest_common_subsequence(r, p));
    scores.rougeL =
        f1(common / static_cast<double>(p.size()), common / static_cast<double>(r.size()));
  }
  return scores;
}

}  // namespace sylvester
