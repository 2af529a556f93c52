// Clusters of the rows of a file of little-endian float32 by a PMML model, one a line: PmmlJudge model.pmml rows.f32
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jpmml.evaluator.Evaluator;
import org.jpmml.evaluator.InputField;
import org.jpmml.evaluator.LoadingModelEvaluatorBuilder;

public class PmmlJudge {
  public static void main(String[] args) throws Exception {
    Evaluator evaluator = new LoadingModelEvaluatorBuilder().load(new File(args[0])).build();
    evaluator.verify();
    List<InputField> fields = evaluator.getInputFields();
    ByteBuffer rows =
        ByteBuffer.wrap(Files.readAllBytes(new File(args[1]).toPath())).order(ByteOrder.LITTLE_ENDIAN);
    StringBuilder answers = new StringBuilder();
    while (rows.hasRemaining()) {
      Map<String, Object> row = new LinkedHashMap<>();
      for (InputField field : fields) row.put(field.getName(), (double) rows.getFloat());
      Map<String, ?> answer = evaluator.evaluate(row);
      answers.append(answer.get("cluster_id")).append('\n');
    }
    System.out.print(answers);
  }
}
