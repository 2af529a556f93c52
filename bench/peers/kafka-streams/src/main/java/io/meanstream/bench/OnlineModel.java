package io.meanstream.bench;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Mini-batch k-means of one task. Centroids are kept dimension by dimension, so that distances to all of them grow side by
 * side in vector registers.
 */
final class OnlineModel {
  private static final int BINS = 64;
  private static final double HALF_LIFE_PER_CLUSTER = 1000;

  final int k;
  final int dims;
  int label;
  float distance;
  float margin;
  float outlierScore;
  private int version;
  private String versionText = "1.0.0";

  /** dims × k. */
  private final float[] centroids;

  private final double[] weights;
  private final float[] scores;
  private final double[] counts;
  private final double[] sums;
  private final double[] histogram;
  private final double[] cumulative;
  private int added;

  OnlineModel(float[] rowMajor, int k, int dims) {
    this.k = k;
    this.dims = dims;
    this.centroids = new float[k * dims];
    for (int j = 0; j < k; j++) {
      for (int d = 0; d < dims; d++) {
        centroids[d * k + j] = rowMajor[j * dims + d];
      }
    }
    this.weights = new double[k];
    this.scores = new float[k];
    this.counts = new double[k];
    this.sums = new double[k * dims];
    this.histogram = new double[k * BINS];
    this.cumulative = new double[k * (BINS + 1)];
  }

  String version() {
    return versionText;
  }

  /** Answers are in the fields. */
  void assign(float[] point) {
    float[] of = scores;
    Arrays.fill(of, 0);
    for (int d = 0; d < dims; d++) {
      addSquares(of, centroids, d * k, k, point[d]);
    }
    int nearest = 0;
    float first = Float.POSITIVE_INFINITY;
    float second = Float.POSITIVE_INFINITY;
    for (int j = 0; j < k; j++) {
      float score = of[j];
      if (score < first) {
        second = first;
        first = score;
        nearest = j;
      } else if (score < second) {
        second = score;
      }
    }
    label = nearest;
    distance = (float) Math.sqrt(first);
    float runnerUp = (float) Math.sqrt(second);
    margin = runnerUp > 0 ? (runnerUp - distance) / runnerUp : 0;
    outlierScore = shareBelow(nearest, binOf(distance));
  }

  /** Adds the point just assigned to the batch. */
  void add(float[] point) {
    int base = label * dims;
    for (int d = 0; d < dims; d++) {
      sums[base + d] += point[d];
    }
    counts[label] += 1;
    histogram[label * BINS + binOf(distance)] += 1;
    added += 1;
  }

  int added() {
    return added;
  }

  /** Learns the batch: each touched centroid moves by n / w, where w = decay · w + n. */
  void learn(Changed changed) {
    if (added == 0) {
      return;
    }
    double decay = Math.pow(0.5, added / (HALF_LIFE_PER_CLUSTER * k));
    for (int j = 0; j < k; j++) {
      weights[j] = decay * weights[j] + counts[j];
      if (counts[j] == 0) {
        continue;
      }
      double rate = 1 / weights[j];
      for (int d = 0; d < dims; d++) {
        float before = centroids[d * k + j];
        double residual = sums[j * dims + d] - counts[j] * before;
        centroids[d * k + j] = (float) (before + rate * residual);
      }
      accumulate(j);
      changed.accept(j, bytesOf(j));
    }
    Arrays.fill(counts, 0);
    Arrays.fill(sums, 0);
    added = 0;
    version += 1;
    versionText = "1.0." + version;
  }

  void restore(int j, byte[] bytes) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    weights[j] = buffer.getDouble();
    for (int d = 0; d < dims; d++) {
      centroids[d * k + j] = buffer.getFloat();
    }
  }

  interface Changed {
    void accept(int cluster, byte[] centroid);
  }

  private byte[] bytesOf(int j) {
    ByteBuffer buffer = ByteBuffer.allocate(8 + 4 * dims).putDouble(weights[j]);
    for (int d = 0; d < dims; d++) {
      buffer.putFloat(centroids[d * k + j]);
    }
    return buffer.array();
  }

  /** A loop of its own, without anything in it that would keep the compiler from vector instructions. */
  private static void addSquares(float[] into, float[] centroids, int base, int k, float value) {
    for (int j = 0; j < k; j++) {
      float difference = centroids[base + j] - value;
      into[j] += difference * difference;
    }
  }

  private static int binOf(float distance) {
    int bin = (Float.floatToRawIntBits(distance) >>> 21) - (127 * 4 - 40);
    return Math.max(0, Math.min(BINS - 1, bin));
  }

  private float shareBelow(int j, int bin) {
    double total = cumulative[j * (BINS + 1) + BINS];
    return total > 0 ? (float) (cumulative[j * (BINS + 1) + bin] / total) : 0;
  }

  private void accumulate(int j) {
    double sum = 0;
    for (int bin = 0; bin < BINS; bin++) {
      sum += histogram[j * BINS + bin];
      cumulative[j * (BINS + 1) + bin + 1] = sum;
    }
  }
}
